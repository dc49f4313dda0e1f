"""The steps of a model: what is told when."""

from bodega.backends.base import Sampling
from bodega.engine.budget import CacheBudget
from bodega.engine.request import Delta, Generation
from bodega.engine.text_loop import TextLoop
from tests.engine.scripted import ScriptedModel


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
