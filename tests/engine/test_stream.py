"""An answer that is not read: joined for a while, then given up."""

import pytest

from bodega.engine.request import Delta, Finish, TokenLogprobs
from bodega.engine.stream import AnswerStream
from bodega.errors import BodegaError, SlowReader
from bodega.limits import MAX_UNREAD_CHARS


class Clock:
    """A clock that a test sets."""

    now_s = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock that streams go by."""
    clock = Clock()
    monkeypatch.setattr("bodega.engine.stream.time.monotonic", lambda: clock.now_s)
    return clock


@pytest.fixture
def cancelled() -> list[BodegaError | None]:
    """Return what the engine was asked to end requests with."""
    return []


async def test_a_reader_that_takes_nothing_for_long_is_given_up(
    clock: Clock, cancelled: list[BodegaError | None]
) -> None:
    stream = AnswerStream(cancel=cancelled.append, stall_s=30.0)
    stream.push(Delta("a", 1, None))
    clock.now_s = 30.0
    stream.push(Delta("b", 1, None))
    assert cancelled == []
    clock.now_s = 30.1
    stream.push(Delta("c", 1, None))
    assert [type(error) for error in cancelled] == [SlowReader]
    stream.push(Delta("never", 1, None))
    assert (await anext(stream)).text == "abc"
    with pytest.raises(SlowReader):
        await anext(stream)


async def test_a_reader_that_takes_something_now_and_then_is_not_given_up(
    clock: Clock, cancelled: list[BodegaError | None]
) -> None:
    stream = AnswerStream(cancel=cancelled.append, stall_s=30.0)
    for _ in range(5):
        stream.push(Delta("a", 1, None))
        clock.now_s += 29.0
        stream.push(Delta("", 1, None))
        assert (await anext(stream)).tokens == 2
        # A model that says nothing for long is not its reader's fault.
        clock.now_s += 100.0
    stream.push(Delta("", 1, Finish.STOP))
    assert cancelled == []


async def test_an_end_that_comes_late_is_still_told(
    clock: Clock, cancelled: list[BodegaError | None]
) -> None:
    stream = AnswerStream(cancel=cancelled.append, stall_s=30.0)
    stream.push(Delta("a", 1, None))
    clock.now_s = 1000.0
    stream.push(Delta("b", 1, Finish.STOP))
    assert cancelled == []
    assert (await anext(stream)).finish is Finish.STOP


async def test_what_waits_to_be_read_has_a_bound(cancelled: list[BodegaError | None]) -> None:
    stream = AnswerStream(cancel=cancelled.append)
    pieces = 0
    while not cancelled:
        stream.push(Delta("x" * 1000, 1, None))
        pieces += 1
    assert pieces == MAX_UNREAD_CHARS // 1000 + 1


async def test_joined_deltas_keep_their_markers_and_probabilities(
    cancelled: list[BodegaError | None],
) -> None:
    a, b = TokenLogprobs(b"a", -1.0, ()), TokenLogprobs(b"<b>", -2.0, ())
    deltas = [Delta("a", 1, None, (), (a,)), Delta("<b>", 1, Finish.STOP, ((0, 3),), (b,))]
    joined, taken = (AnswerStream(cancel=cancelled.append) for _ in range(2))
    for delta in deltas:
        joined.push(delta)
        taken.push(delta)
    assert await anext(joined) == Delta("a<b>", 2, Finish.STOP, ((1, 4),), (a, b))
    assert taken.take() == deltas
    assert taken.take() == []
