"""What the time of an answer went to, told to who asks, and in a header of every whole answer."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.grpc_client import ReflectionClient, chat_json
from tests.end_to_end.requests_in_flight import endless
from tests.end_to_end.server import Server, serve
from tests.end_to_end.waiting import wait_until
from tests.models import ENDLESS, TINY_CHAT, TRANSCRIPTS

HELLO = list(next(one for one in TRANSCRIPTS if one.name == "hello").messages)
NAMES = ["queue_ms", "prefill_ms", "decode_ms", "tokens_per_second"]
SERVER_TIMING = re.compile(r"queue;dur=([\d.]+), prefill;dur=([\d.]+), decode;dur=([\d.]+)")


@pytest.fixture
def client(server: Server) -> Iterator[ReflectionClient]:
    """Return a gRPC client."""
    with server.channel() as channel:
        yield ReflectionClient(channel)


def chunks(server: Server, **fields: Any) -> list[Any]:
    """Return the chunks of a stream."""
    lines = server.chat(messages=HELLO, stream=True, **fields).text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]


def test_they_are_told_only_to_who_asks(server: Server) -> None:
    assert "timings" not in server.chat(messages=HELLO).json()
    assert "timings" not in server.chat(messages=HELLO, timings=False).json()
    assert not any("timings" in chunk for chunk in chunks(server))


def test_they_add_up_to_no_more_than_the_whole(server: Server) -> None:
    begin = time.monotonic()
    answer = server.chat(messages=ENDLESS, max_tokens=50, timings=True).json()
    took_ms = (time.monotonic() - begin) * 1e3
    timings = answer["timings"]
    assert list(timings) == NAMES
    assert timings["prefill_ms"] > 0
    assert timings["decode_ms"] > 0
    assert timings["queue_ms"] + timings["prefill_ms"] + timings["decode_ms"] < took_ms
    speed = 49 / timings["decode_ms"] * 1e3
    assert timings["tokens_per_second"] == pytest.approx(speed, rel=0.01)


def test_an_answer_of_one_token_has_no_speed(server: Server) -> None:
    answer = server.chat(messages=ENDLESS, max_tokens=1, timings=True).json()
    assert answer["timings"]["decode_ms"] == 0
    assert answer["timings"]["tokens_per_second"] == 0


def test_the_last_chunk_of_a_stream_has_them(server: Server) -> None:
    *before, last = chunks(server, timings=True)
    assert list(last["timings"]) == NAMES
    assert last["choices"][0]["finish_reason"] == "stop"
    assert not any("timings" in chunk for chunk in before)


def test_the_chunk_of_the_usage_has_them(server: Server) -> None:
    *before, last = chunks(server, timings=True, stream_options={"include_usage": True})
    assert list(last["timings"]) == NAMES
    assert last["usage"]["completion_tokens"] > 0
    assert not any("timings" in chunk for chunk in before)


def test_a_request_that_waits_tells_how_long(tmp_path: Path) -> None:
    arguments = ("--model", str(TINY_CHAT), "--max-concurrency", "1")
    with serve(*arguments, home=tmp_path) as narrow, ThreadPoolExecutor(1) as pool:
        with endless(narrow) as lines:
            assert next(lines)
            waiting = pool.submit(narrow.chat, messages=HELLO, timings=True)
            wait_until(lambda: narrow.stats()["queue_size"] == 1)
            begin = time.monotonic()
            assert narrow.stats()["queue_size"] == 1
            waited_ms = (time.monotonic() - begin) * 1e3
        assert waiting.result().json()["timings"]["queue_ms"] > waited_ms


def test_they_are_told_over_grpc_too(client: ReflectionClient) -> None:
    asked = chat_json(HELLO, timings=True)
    whole = client.unary("Inference.CreateChatCompletion", asked)
    assert list(whole["timings"]) == NAMES
    *before, last = client.stream("Inference.StreamChatCompletion", asked)
    assert list(last["timings"]) == NAMES
    assert not any("timings" in chunk for chunk in before)
    assert "timings" not in client.unary("Inference.CreateChatCompletion", chat_json(HELLO))


def test_whole_answers_say_it_in_a_header(server: Server) -> None:
    answer = server.chat(messages=HELLO, timings=True)
    found = SERVER_TIMING.fullmatch(answer.headers["Server-Timing"])
    assert found is not None
    told = [float(part) for part in found.groups()]
    assert told == [answer.json()["timings"][name] for name in NAMES[:3]]
    assert "Server-Timing" in server.chat(messages=HELLO).headers
    assert "Server-Timing" not in server.chat(messages=HELLO, stream=True).headers
    assert "Server-Timing" not in server.get("/health").headers


def test_grpc_tells_them_after_a_whole_answer(client: ReflectionClient) -> None:
    trailers = client.trailers("Inference.CreateChatCompletion", chat_json(HELLO))
    assert SERVER_TIMING.fullmatch(trailers["server-timing"])
