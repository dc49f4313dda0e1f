"""What was computed once is not computed again, and the answers are the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.requests_in_flight import asked, idle
from tests.end_to_end.server import Json, Server, serve
from tests.end_to_end.waiting import wait_until
from tests.models import FAMILIES, TINY_CHAT, TRANSCRIPTS, family_model

BY_NAME = {one.name: one for one in TRANSCRIPTS}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server without a model."""
    with serve(home=tmp_path_factory.mktemp("home")) as running:
        yield running
        assert running.stop() == 0


def load(server: Server, path: Path = TINY_CHAT, **fields: object) -> None:
    """Load a model anew, with nothing kept."""
    request = {"model_path": str(path), "max_concurrency": 8, **fields}
    answer = server.post("/v1/admin/load-model", request)
    assert answer.status_code == 200, answer.text


def ask(server: Server, messages: object, **fields: object) -> tuple[str, int]:
    """Return an answer's text and how many tokens of its prompt were known."""
    answer: Json = server.chat(messages=list(messages), **fields).json()  # type: ignore[call-overload]
    details = answer["usage"]["prompt_tokens_details"]
    return answer["choices"][0]["message"]["content"], details["cached_tokens"]


def test_the_same_prompt_is_known_but_for_its_last_token(empty: Server) -> None:
    load(empty)
    first = empty.chat(messages=list(BY_NAME["ferry"].messages)).json()
    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    text, cached = ask(empty, BY_NAME["ferry"].messages)
    assert text == BY_NAME["ferry"].answer
    assert cached == first["usage"]["prompt_tokens"] - 1
    stats = empty.stats()["prefix_cache"]
    assert (stats["hits"], stats["misses"]) == (1, 1)
    assert stats["hit_tokens"] == cached
    assert stats["size_bytes"] > 0


def test_the_next_turn_goes_on_from_the_one_before(empty: Server) -> None:
    load(empty)
    for turn in ("cat_1", "cat_2"):
        assert ask(empty, BY_NAME[turn].messages)[0] == BY_NAME[turn].answer
    before = empty.chat(messages=list(BY_NAME["cat_2"].messages)).json()["usage"]
    text, cached = ask(empty, BY_NAME["cat_3"].messages)
    assert text == BY_NAME["cat_3"].answer
    # The answer of the turn before is known too, not its question alone.
    assert cached > before["prompt_tokens"]


def test_conversations_that_take_turns_each_keep_theirs(empty: Server) -> None:
    load(empty)
    turns = [("cat_1", "capitals_1"), ("cat_2", "capitals_2")]
    for round_of in turns:
        for name in round_of:
            assert ask(empty, BY_NAME[name].messages)[0] == BY_NAME[name].answer
    assert ask(empty, BY_NAME["cat_3"].messages)[1] > 32
    assert ask(empty, BY_NAME["capitals_2"].messages)[1] > 32


def test_a_stream_tells_what_was_known_too(empty: Server) -> None:
    load(empty)
    ask(empty, BY_NAME["ferry"].messages)
    chunks = list(
        empty.openai().chat.completions.create(
            model="current",
            messages=list(BY_NAME["ferry"].messages),  # type: ignore[arg-type]
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == usage.prompt_tokens - 1


def test_without_a_budget_nothing_is_kept(empty: Server) -> None:
    load(empty, prefix_cache_gb=0)
    for _ in range(2):
        text, cached = ask(empty, BY_NAME["ferry"].messages)
        assert (text, cached) == (BY_NAME["ferry"].answer, 0)
    assert empty.stats()["prefix_cache"]["size_bytes"] == 0


def test_a_small_budget_holds(empty: Server) -> None:
    load(empty, prefix_cache_gb=0.00005)
    for one in TRANSCRIPTS[:12]:
        ask(empty, one.messages)
    stats = empty.stats()["prefix_cache"]
    assert 0 < stats["size_bytes"] <= 50_000
    assert stats["evictions"] > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_with_a_known_prefix_are_those_without(empty: Server, family: str) -> None:
    turns = [BY_NAME[name].messages for name in ("ferry", "cat_2", "cat_3", "capitals_2")]
    load(empty, family_model(family), prefix_cache_gb=0)
    expected = [ask(empty, messages, max_tokens=12)[0] for messages in turns]
    load(empty, family_model(family))
    assert [ask(empty, messages, max_tokens=12)[0] for messages in turns] == expected
    again = [ask(empty, messages, max_tokens=12) for messages in turns]
    assert [text for text, _ in again] == expected
    assert all(cached > 0 for _, cached in again)


def test_what_a_cancelled_prefill_computed_is_not_lost(empty: Server) -> None:
    load(empty, family_model("qwen3_moe"))
    messages = [{"role": "user", "content": "word " * 3900}]
    with asked(empty, {"messages": messages}):
        wait_until(lambda: empty.stats()["active_requests"] == 1)
    wait_until(lambda: idle(empty))
    assert empty.stats()["completion_tokens"] == 0
    if empty.stats()["prefix_cache"]["entries"]:  # else it was cancelled before its first slice
        assert ask(empty, messages, max_tokens=1)[1] > 32
