"""Request ids are labels: what a caller gives comes back, and decides nothing."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests
from bodega_api.v1 import inference_pb2, inference_pb2_grpc

from tests.end_to_end.plain_http import exchange
from tests.end_to_end.server import Server
from tests.end_to_end.waiting import wait_until
from tests.models import ENDLESS, TRANSCRIPTS, Transcript

PLAIN = [one for one in TRANSCRIPTS if not one.tools and one.enable_thinking is None]
HELLO = next(one for one in TRANSCRIPTS if one.name == "hello")
GOOD = ["a", "mine-7", "a/b:c+d=e@f.g_h-I9", "x" * 128]
BAD = [
    *(
        "",
        "x" * 129,
        "x" * 5000,
        "a b",
        "a,b",
        "a;b",
        '"a"',
        "<script>",
        "%0d%0a",
        "{a}",
        "é",
        "\x7f",
    ),
    "a\tb",
]


def ask(server: Server, request_id: str, transcript: Transcript) -> requests.Response:
    """Ask for the answer of a transcript under a request id."""
    return requests.post(
        f"{server.http}/v1/chat/completions",
        json={"model": "current", "messages": list(transcript.messages), "temperature": 0},
        headers={"X-Request-Id": request_id},
        timeout=60,
    )


def test_two_callers_with_the_same_id_get_their_own_answers(server: Server) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda one: ask(server, "same", one), PLAIN))
    for answer, transcript in zip(answers, PLAIN, strict=True):
        assert answer.json()["choices"][0]["message"]["content"] == transcript.content
        assert answer.headers["X-Request-Id"] == "same"
    assert len({answer.json()["id"] for answer in answers}) == len(PLAIN)


@contextmanager
def stream(server: Server, request_id: str, max_tokens: int) -> Iterator[Iterator[bytes]]:
    """Stream an answer under a request id; leaving the context closes the connection."""
    with requests.post(
        f"{server.http}/v1/chat/completions",
        json={
            "model": "current",
            "messages": list(ENDLESS),
            "temperature": 0,
            "max_tokens": max_tokens,
            "stream": True,
        },
        headers={"X-Request-Id": request_id},
        stream=True,
        timeout=60,
    ) as response:
        yield response.iter_lines()


def test_one_caller_leaving_does_not_end_another_with_the_same_id(server: Server) -> None:
    cancelled = server.stats()["cancelled_requests"]
    with stream(server, "same", 800) as stays:
        next(stays)
        with stream(server, "same", 3000) as leaves:
            next(leaves)
        assert b"data: [DONE]" in list(stays)
    wait_until(lambda: server.stats()["cancelled_requests"] == cancelled + 1)
    assert server.stats()["active_requests"] == 0


@pytest.mark.parametrize("request_id", GOOD)
def test_an_id_of_the_callers_comes_back_whatever_the_answer(
    server: Server, request_id: str
) -> None:
    headers = {"X-Request-Id": request_id}
    for path in ("/health", "/nothing", "/v1/chat/completions", "/v1/models/nosuch"):
        answer = requests.get(f"{server.http}{path}", headers=headers, timeout=60)
        assert answer.headers["X-Request-Id"] == request_id
    assert ask(server, request_id, HELLO).headers["X-Request-Id"] == request_id


@pytest.mark.parametrize("request_id", BAD)
def test_an_id_that_is_not_plain_is_replaced(server: Server, request_id: str) -> None:
    for path in ("/health", "/nothing"):
        headers = [("Host", "localhost"), ("X-Request-Id", request_id)]
        answer = exchange(server, "GET", path, headers)
        if answer.status_code == 400:  # no header may hold it at all
            assert request_id not in str(answer.headers)
            continue
        (told,) = answer.headers.get_all("X-Request-Id")
        assert told.startswith("req_")
        assert len(told) == 28


def test_requests_without_an_id_get_one_each(server: Server) -> None:
    told = {server.get("/health").headers["X-Request-Id"] for _ in range(20)}
    assert len(told) == 20


@pytest.mark.parametrize("request_id", ["a b", "x" * 129, "<script>", "same"])
def test_grpc_treats_ids_alike(server: Server, request_id: str) -> None:
    request = inference_pb2.CreateChatCompletionRequest(model="current", temperature=0)
    request.messages.add(role=inference_pb2.ROLE_USER).content.text = HELLO.messages[0]["content"]
    metadata = (("x-request-id", request_id),)
    told: list[tuple[str, str]] = []

    def call() -> None:
        with server.channel() as channel:
            stub = inference_pb2_grpc.InferenceStub(channel)
            answer, call = stub.CreateChatCompletion.with_call(
                request, metadata=metadata, timeout=60
            )
            told.append(
                (answer.choices[0].message.content, dict(call.initial_metadata())["x-request-id"])
            )

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert [text for text, _ in told] == [HELLO.answer] * 2
    for _, told_id in told:
        assert told_id == request_id if request_id == "same" else told_id.startswith("req_")
