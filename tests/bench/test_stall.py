"""What is seen of a stream while a long prompt arrives."""

import pytest

from bench.errors import BenchError
from bench.stall import StallJob, longest_gap_ms, measure
from tests.bench.played_server import played_server


def test_gaps_count_that_reach_into_the_time_between_sending_and_text() -> None:
    times_s = [0.0, 1.0, 3.0, 3.1, 3.2, 3.9, 5.0]
    assert longest_gap_ms(times_s, since_s=2.0, until_s=3.5) == pytest.approx(2000)
    assert longest_gap_ms(times_s, since_s=3.0, until_s=3.5) == pytest.approx(700)


async def test_the_running_stream_is_left_once_the_long_prompt_is_answered() -> None:
    async with played_server() as server:
        job = StallJob(base_url=server.base_url, model="m", running="r", arriving="a")
        figures = await measure(job)
    running, arriving = server.requests
    assert running["messages"][0]["content"] == "r"
    assert arriving["messages"][0]["content"] == "a"
    assert figures.longest_gap_ms > 0
    assert figures.ttft_ms > 0


async def test_a_running_stream_that_ends_too_soon_gets_no_figures() -> None:
    async with played_server() as server:
        server.missing_tokens = 2990
        job = StallJob(base_url=server.base_url, model="m", running="r", arriving="a")
        with pytest.raises(BenchError, match="ended before"):
            await measure(job)


async def test_a_running_stream_that_fails_says_why() -> None:
    async with played_server() as server:
        server.status = 503
        job = StallJob(base_url=server.base_url, model="m", running="r", arriving="a")
        with pytest.raises(BenchError, match="answered 503"):
            await measure(job)
