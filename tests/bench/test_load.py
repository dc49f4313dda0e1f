"""The load generator against a server whose answers are known."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bench.errors import BenchError
from bench.load import LoadJob, measure
from tests.bench.played_server import PlayedServer, played_server


@pytest.fixture
async def server() -> AsyncIterator[PlayedServer]:
    async with played_server() as played:
        yield played


def job(server: PlayedServer) -> LoadJob:
    return LoadJob(
        base_url=server.base_url,
        model="m",
        clients=2,
        warmup=["w", "w"],
        prompts=["a", "b", "c", "d"],
        max_tokens=8,
    )


async def test_all_clients_together_send_each_prompt_once(server: PlayedServer) -> None:
    figures = await measure(job(server))
    assert (figures.clients, figures.requests, figures.output_tokens) == (2, 4, 32)
    assert (figures.prompt_tokens_min, figures.prompt_tokens_max) == (65, 65)
    assert 0 < figures.ttft_p50_ms <= figures.ttft_p95_ms
    assert figures.tokens_per_s == pytest.approx(32 / figures.seconds)
    contents = [request["messages"][0]["content"] for request in server.requests]
    assert contents[:2] == ["w", "w"]
    assert sorted(contents[2:]) == ["a", "b", "c", "d"]


async def test_chats_are_greedy_streams_that_end_with_usage(server: PlayedServer) -> None:
    await measure(job(server))
    assert server.requests[0] == {
        "model": "m",
        "messages": [{"role": "user", "content": "w"}],
        "max_tokens": 8,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"prompt_tokens": 69}, "69 tokens"),
        ({"missing_tokens": 1}, "7 tokens instead of 8"),
        ({"streams": False}, "does not stream"),
        ({"status": 503}, "answered 503"),
    ],
)
async def test_a_server_that_cannot_be_compared_gets_no_figures(
    server: PlayedServer, part: dict[str, Any], reason: str
) -> None:
    for name, value in part.items():
        setattr(server, name, value)
    with pytest.raises(BenchError, match=reason):
        await measure(job(server))


async def test_a_server_that_is_not_there_gets_no_figures() -> None:
    async with played_server() as gone:
        pass
    with pytest.raises(BenchError, match="request failed"):
        await measure(job(gone))


async def test_sampled_chats_each_have_their_own_seed(server: PlayedServer) -> None:
    await measure(replace(job(server), style="sampled", warmup=[]))
    assert sorted(request["seed"] for request in server.requests) == [0, 1, 2, 3]
    assert {(request["temperature"], request["top_p"]) for request in server.requests} == {
        (0.7, 0.95)
    }


async def test_an_answer_of_a_real_model_may_end_early(server: PlayedServer) -> None:
    server.missing_tokens = 1
    figures = await measure(replace(job(server), may_end=True))
    assert figures.output_tokens == 4 * 7


async def test_no_answer_may_be_longer_than_asked_for(server: PlayedServer) -> None:
    server.missing_tokens = -1
    with pytest.raises(BenchError, match="9 tokens instead of 8"):
        await measure(replace(job(server), may_end=True))
