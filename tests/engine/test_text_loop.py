"""The steps of a model: what is told when."""

from collections.abc import Callable

import pytest

from bodega.backends.base import Chosen, Sampling, Tokens
from bodega.engine import text_loop
from bodega.engine.budget import CacheBudget
from bodega.engine.request import Delta, Generation
from bodega.engine.text_loop import TELL_INTERVAL_S, Failed, Grown, TextLoop
from bodega.errors import BodegaError, InvalidRequest
from tests.engine.scripted import ScriptedModel, ScriptedRunner


def loop_of(
    model: ScriptedModel,
    *,
    grown: Grown,
    failed: Failed = lambda *_: None,
    flush: Callable[[], None] = lambda: None,
) -> TextLoop:
    """Return a loop for two rows that tells what is listened to."""
    return TextLoop(
        model,
        max_rows=2,
        budget=CacheBudget(cost=model.info.cache_cost, size_bytes=model.cache_bytes),
        started=lambda *_: None,
        grown=grown,
        paused=lambda: None,
        failed=failed,
        flush=flush,
    )


class Followed(ScriptedModel):
    """A model that notes its steps."""

    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self._events = events

    def at(self, place: str) -> None:
        self._events.append(place)


@pytest.mark.parametrize("told_before_s", [0.0, TELL_INTERVAL_S / 2])
def test_a_token_waits_for_a_slice_only_if_its_reader_has_just_been_told(
    monkeypatch: pytest.MonkeyPatch, told_before_s: float
) -> None:
    now = [0.0]
    monkeypatch.setattr(text_loop.time, "monotonic", lambda: now[0])
    events: list[str] = []

    def grown(row: int, _: Delta) -> None:
        events.append(f"token of {row}")

    model = Followed(events)
    loop = loop_of(model, grown=grown, flush=lambda: events.append("flush"))
    request = Generation(prompt=[1] * 4, sampling=Sampling(), max_tokens=8)
    loop.submit(1, request)
    loop.advance()
    now[0] = TELL_INTERVAL_S
    loop.advance()
    loop.advance()
    assert events[-1] == "decode"  # it has a token that waits
    loop.submit(2, request)
    events.clear()
    now[0] += told_before_s
    loop.advance()
    before = ["token of 1", "flush"] if told_before_s else []
    # The first token of the other waits for nothing.
    assert events[: len(before) + 3] == [*before, "prefill", "token of 2", "flush"]


def test_the_tokens_of_an_interval_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_loop.time, "monotonic", lambda: 0.0)
    told: list[int] = []
    model = ScriptedModel()
    loop = loop_of(model, grown=lambda _, delta: told.append(delta.tokens))
    loop.submit(1, Generation(prompt=[1] * 4, sampling=Sampling(), max_tokens=8))
    after = []
    while loop.ready():
        loop.advance()
        after.append(sum(told))
    # The first does not wait, nor does the last.
    assert set(after[:-1]) == {1, 8}
    assert after[-1] == 8
    assert after.count(1) >= 6


class Failing(ScriptedRunner):
    """A runner that can choose nothing for its first row after a token."""

    def decode(self) -> Tokens:
        failure = InvalidRequest("It costs too much.", param="response_format")
        return [
            Chosen(chosen.row, 0, failure=failure) if chosen.row == 1 else chosen
            for chosen in super().decode()
        ]


class FailingModel(ScriptedModel):
    """A model with such runners."""

    def new_runner(self) -> ScriptedRunner:
        return Failing(self)


def test_a_row_for_which_nothing_can_be_chosen_ends_alone() -> None:
    texts: dict[int, str] = {}
    failed: list[tuple[int, BodegaError | None]] = []

    def grown(row: int, delta: Delta) -> None:
        texts[row] = texts.get(row, "") + delta.text

    model = FailingModel()
    loop = loop_of(model, grown=grown, failed=lambda *ended: failed.append(ended))
    for row in (1, 2):
        loop.submit(row, Generation(prompt=[1], sampling=Sampling(), max_tokens=4))
    while loop.ready():
        loop.advance()
    assert texts == {1: "a", 2: "abcd"}
    [(row, error)] = failed
    assert row == 1
    assert isinstance(error, InvalidRequest)
