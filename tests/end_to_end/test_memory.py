"""The memory for conversations is kept to, told of, and given back."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from tests.end_to_end.grpc_client import ReflectionClient, chat_json
from tests.end_to_end.refusals import grpc_refusal, refusal
from tests.end_to_end.requests_in_flight import endless, idle
from tests.end_to_end.server import Json, Server, serve
from tests.end_to_end.waiting import wait_until
from tests.models import TINY_CHAT, family_model

CHAT = "Inference.CreateChatCompletion"
TOKEN_BYTES = 1024
"""What a token takes in the caches of both models that are loaded here."""

PAGE_TOKENS = 256
PENALTIES = {"frequency_penalty": 0.5, "repetition_penalty": 1.2}
LONG = [{"role": "user", "content": "7" * 2000}]
SETTLED_BYTES = 32 * 1024
"""What is left in flight when nobody asks anything: a token, a position, a table."""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server without a model."""
    with serve(home=tmp_path_factory.mktemp("home")) as running:
        yield running
        assert running.stop() == 0


def load(server: Server, tokens: int | None, path: Path = TINY_CHAT, **fields: object) -> Json:
    """Load a model anew, with memory for so many tokens; return what was answered."""
    request = {"model_path": str(path), "max_concurrency": 8, "prefix_cache_gb": 0, **fields}
    if tokens is not None:
        request["kv_cache_gb"] = tokens * TOKEN_BYTES / 1e9
    answer = server.post("/v1/admin/load-model", request)
    assert answer.status_code == 200, answer.text
    loaded: Json = answer.json()
    return loaded


def memory(server: Server) -> Json:
    """Return what the model and its requests take."""
    use: Json = server.stats()["memory"]
    return use


def test_a_conversation_that_could_never_fit_is_refused_with_both_figures(empty: Server) -> None:
    loaded = load(empty, 2000)
    assert any("1744 tokens" in warning for warning in loaded["warnings"])
    answer = empty.chat(messages=LONG)
    message = refusal(answer, 503, "insufficient_memory", "messages")
    prompt, needed, there = map(int, re.findall(r"\d+", message))
    assert there == 2000 * TOKEN_BYTES
    # The conversation, a page of the answer, and the page by which caches grow.
    assert needed == (prompt + 2 * PAGE_TOKENS) * TOKEN_BYTES > there
    assert "retry-after" not in answer.headers
    assert answer.headers["x-should-retry"] == "false"
    with empty.channel() as channel:
        client = ReflectionClient(channel)
        assert message == grpc_refusal(
            lambda: client.unary(CHAT, chat_json(LONG, model="current")),
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "insufficient_memory",
            "messages",
        )
    assert idle(empty)


def test_one_that_fits_later_waits_for_its_turn(empty: Server) -> None:
    # Its answers do not end for seconds, and leave less than the next one needs.
    load(empty, 3500, family_model("qwen3_moe"))
    messages = [{"role": "user", "content": "7" * 2600}]
    with ThreadPoolExecutor(1) as pool:
        with endless(empty) as lines:
            next(lines)
            waiting = pool.submit(empty.chat, messages=messages, max_tokens=1)
            wait_until(lambda: empty.stats()["queue_size"] == 1)
            assert empty.stats()["active_requests"] == 1
        assert waiting.result().status_code == 200


def test_an_answer_that_fills_the_memory_ends_by_its_length(empty: Server) -> None:
    load(empty, 1000)
    answer = empty.chat(messages=[{"role": "user", "content": "Tick without end."}]).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["total_tokens"] == 1000 - PAGE_TOKENS


def test_when_memory_runs_short_answers_come_later_and_are_the_same(empty: Server) -> None:
    requests: list[Json] = [
        {"max_tokens": 380},
        {"max_tokens": 380, "temperature": 0.8, "top_p": 0.9, "seed": 3},
        {"max_tokens": 380, "temperature": 0.7, "seed": 4, **PENALTIES},
        {"max_tokens": 60},
    ]
    for at, request in enumerate(requests):
        request["messages"] = [{"role": "user", "content": f"Say it {at} times."}]

    def ask(request: Json) -> tuple[Json, Json]:
        answer: Json = empty.chat(**request).json()
        return answer["choices"], answer["usage"]

    def ask_all() -> list[tuple[Json, Json]]:
        with ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(ask, requests))

    model = family_model("qwen3_moe")
    load(empty, None, model)
    expected = ask_all()
    assert empty.stats()["pauses"] == 0
    # Room for three with a page each, and not for three with all that they generate.
    prompt = max(usage["prompt_tokens"] for _, usage in expected)
    load(empty, int(3 * (prompt + 2 * PAGE_TOKENS) / 0.84), model)
    assert ask_all() == expected
    stats = empty.stats()
    assert stats["pauses"] > 0
    assert stats["completed_requests"] == stats["total_requests"] == len(requests)
    assert stats["failed_requests"] == 0


def test_memory_is_told_and_comes_back_when_clients_leave(empty: Server) -> None:
    load(empty, 20_000)
    rest = memory(empty)
    assert rest["kv_bytes"] == rest["prefix_cache_bytes"] == 0
    assert rest["kv_budget_bytes"] == 20_000 * TOKEN_BYTES
    info = empty.get("/v1/admin/current-model").json()["model_info"]
    assert info["weight_bytes"] == info["memory"]["weight_bytes"] == rest["weight_bytes"] > 0
    for _ in range(2):
        with ExitStack() as streams:
            lines = [streams.enter_context(endless(empty)) for _ in range(6)]
            for stream in lines:
                next(stream)
            busy = memory(empty)
            assert busy["kv_bytes"] >= 6 * PAGE_TOKENS * TOKEN_BYTES
            assert busy["active_bytes"] >= rest["active_bytes"]
        wait_until(lambda: idle(empty) and memory(empty)["kv_bytes"] == 0)
        wait_until(lambda: memory(empty)["active_bytes"] <= rest["active_bytes"] + SETTLED_BYTES)


def test_memory_comes_back_when_a_model_goes(empty: Server) -> None:
    load(empty, None)
    first = memory(empty)["active_bytes"]
    for _ in range(2):
        assert empty.chat(messages=LONG, max_tokens=30).status_code == 200
        load(empty, None)
        assert memory(empty)["active_bytes"] <= first + SETTLED_BYTES
    empty.post("/v1/admin/unload-model")
    assert empty.get("/v1/admin/current-model").json()["model_info"] is None


def test_prefixes_give_way_to_conversations_that_are_answered(empty: Server) -> None:
    load(empty, 3000, prefix_cache_gb=1)
    assert empty.chat(messages=[{"role": "user", "content": "7" * 900}], max_tokens=1).ok
    wait_until(lambda: memory(empty)["prefix_cache_bytes"] > 900 * TOKEN_BYTES)
    kept = memory(empty)["prefix_cache_bytes"]
    answer = empty.chat(messages=[{"role": "user", "content": "8" * 1900}], max_tokens=1)
    assert answer.status_code == 200
    use = memory(empty)
    assert use["prefix_cache_bytes"] != kept
    assert empty.stats()["prefix_cache"]["evictions"] > 0
    assert use["prefix_cache_bytes"] <= 0.85 * use["kv_budget_bytes"]
