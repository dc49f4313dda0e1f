"""Conversations as long as the context, and longer: counted exactly, never cut, never dropped."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests

from tests.end_to_end.grpc_client import ReflectionClient, chat_json
from tests.end_to_end.refusals import grpc_refusal, refusal
from tests.end_to_end.server import Server, serve
from tests.models import ENDLESS, TINY_CHAT

CONTEXT = 200
OVER = "context_length_exceeded"


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server with a short context."""
    with serve(
        *("--model", str(TINY_CHAT), "--context-length", str(CONTEXT)),
        home=tmp_path_factory.mktemp("home"),
    ) as running:
        yield running
        assert running.stop() == 0


def digits(count: int) -> list[dict[str, str]]:
    """Return a conversation that grows by a token a digit."""
    return [{"role": "user", "content": "7" * count}]


def ask(server: Server, count: int, **fields: Any) -> requests.Response:
    """Ask about so many digits for an answer of one token."""
    return server.chat(**{"messages": digits(count), "max_tokens": 1, **fields})


@pytest.fixture(scope="module")
def most(short: Server) -> int:
    """Return the most digits that leave room for an answer, found by halving."""
    taken, refused = 1, CONTEXT
    while refused - taken > 1:
        middle = (taken + refused) // 2
        if ask(short, middle).status_code == 200:
            taken = middle
        else:
            refused = middle
    return taken


def test_a_conversation_that_leaves_room_for_one_token_is_answered(
    short: Server, most: int
) -> None:
    for fields in ({}, {"max_tokens": None}, {"max_tokens": 2**31 - 1}):
        answer = ask(short, most, **fields).json()
        assert answer["usage"]["prompt_tokens"] == CONTEXT - 1
        assert answer["usage"]["completion_tokens"] == 1
        assert answer["usage"]["total_tokens"] == CONTEXT
        (choice,) = answer["choices"]
        assert choice["finish_reason"] == "length"


@pytest.mark.parametrize("more", [1, 2, 17, 100_000])
def test_a_longer_one_is_refused_with_both_counts(short: Server, most: int, more: int) -> None:
    before = short.stats()
    message = refusal(ask(short, most + more), 400, OVER, "messages")
    assert re.findall("[0-9]+", message) == [str(CONTEXT - 1 + more), str(CONTEXT)]
    assert "Shorten" in message
    assert "context_length" in message
    stream = ask(short, most + more, stream=True)
    assert refusal(stream, 400, OVER, "messages") == message
    with short.channel() as channel:
        client = ReflectionClient(channel)
        assert message == grpc_refusal(
            lambda: client.unary("Inference.CreateChatCompletion", chat_json(digits(most + more))),
            grpc.StatusCode.INVALID_ARGUMENT,
            OVER,
            "messages",
        )
    assert short.stats() == {**before, "tokens_per_second": short.stats()["tokens_per_second"]}


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("asked", [CONTEXT, 10**6, 2**31 - 1])
def test_more_tokens_than_are_left_are_cut_to_what_is_left(
    short: Server, limit: str, asked: int
) -> None:
    answer = short.chat(messages=list(ENDLESS), **{limit: asked}).json()
    assert answer["usage"]["total_tokens"] == CONTEXT
    assert answer["choices"][0]["finish_reason"] == "length"


def test_just_what_is_left_is_generated(short: Server) -> None:
    prompt_tokens = short.chat(messages=list(ENDLESS), max_tokens=1).json()["usage"][
        "prompt_tokens"
    ]
    left = CONTEXT - prompt_tokens
    for asked, generated in ((left - 1, left - 1), (left, left), (left + 1, left)):
        answer = short.chat(messages=list(ENDLESS), max_tokens=asked).json()
        assert answer["usage"]["completion_tokens"] == generated
        assert answer["choices"][0]["finish_reason"] == "length"


def test_earlier_messages_count_and_none_is_dropped(short: Server, most: int) -> None:
    system = {"role": "system", "content": "7" * (most - 20)}
    taken = short.chat(messages=[system, *digits(1)], max_tokens=1)
    assert taken.status_code == 200
    alone = ask(short, 1).json()["usage"]["prompt_tokens"]
    assert taken.json()["usage"]["prompt_tokens"] > alone + most - 20
    refusal(short.chat(messages=[system, *digits(most)]), 400, OVER, "messages")


def test_counting_a_huge_conversation_holds_up_nobody(short: Server) -> None:
    counting = threading.Event()
    looks: list[int] = []

    def look() -> None:
        while not counting.is_set():
            looks.append(short.get("/health").status_code)

    looking = threading.Thread(target=look)
    looking.start()
    refused = short.chat(messages=[{"role": "user", "content": "word " * 800_000}])
    counting.set()
    looking.join()
    counted = re.findall("[0-9]+", refusal(refused, 400, OVER, "messages"))
    assert int(counted[0]) > 800_000
    # Held up, one or two of them would be answered, before and after.
    print(f"health was told {len(looks)} times in {refused.elapsed.total_seconds():.1f} s")
    assert len(looks) > 10
    assert set(looks) == {200}


def test_a_conversation_of_no_tokens_is_refused(short: Server, tmp_path: Path) -> None:
    template = tmp_path / "nothing.jinja"
    template.write_text("{# nothing #}")
    fields = {"model_path": str(TINY_CHAT), "context_length": CONTEXT}
    nothing = short.post("/v1/admin/load-model", {**fields, "chat_template_file": str(template)})
    assert nothing.status_code == 200
    for stream in (False, True):
        refusal(ask(short, 1, stream=stream), 400, "chat_template_error", "messages")
    assert short.stats()["active_requests"] == 0
    assert short.post("/v1/admin/load-model", fields).status_code == 200
    assert ask(short, 1).status_code == 200
