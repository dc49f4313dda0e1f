"""The steps of a model: what is told when."""

from bodega.backends.base import Chosen, Sampling, Tokens
from bodega.engine.budget import CacheBudget
from bodega.engine.request import Delta, Generation
from bodega.engine.text_loop import TextLoop
from bodega.errors import BodegaError, InvalidRequest
from tests.engine.scripted import ScriptedModel, ScriptedRunner


class Followed(ScriptedModel):
    """A model that notes its steps."""

    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self._events = events

    def at(self, place: str) -> None:
        self._events.append(place)


def test_a_token_does_not_wait_for_the_slice_of_anothers_prompt() -> None:
    events: list[str] = []

    def grown(row: int, _: Delta) -> None:
        events.append(f"token of {row}")

    model = Followed(events)
    loop = TextLoop(
        model,
        max_rows=2,
        budget=CacheBudget(cost=model.info.cache_cost, size_bytes=model.cache_bytes),
        started=lambda *_: None,
        grown=grown,
        paused=lambda: None,
        failed=lambda *_: None,
        flush=lambda: events.append("flush"),
    )
    request = Generation(prompt=[1] * 4, sampling=Sampling(), max_tokens=8)
    loop.submit(1, request)
    loop.advance()
    loop.advance()
    loop.submit(2, request)
    del events[:-1]
    loop.advance()
    assert events[:4] == ["token of 1", "flush", "prefill", "token of 2"]
    assert events[4] == "flush"


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
    loop = TextLoop(
        model,
        max_rows=2,
        budget=CacheBudget(cost=model.info.cache_cost, size_bytes=model.cache_bytes),
        started=lambda *_: None,
        grown=grown,
        paused=lambda: None,
        failed=lambda row, error: failed.append((row, error)),
        flush=lambda: None,
    )
    for row in (1, 2):
        loop.submit(row, Generation(prompt=[1], sampling=Sampling(), max_tokens=4))
    while loop.ready():
        loop.advance()
    assert texts == {1: "a", 2: "abcd"}
    [(row, error)] = failed
    assert row == 1
    assert isinstance(error, InvalidRequest)
