"""An answer that is not read: kept for a while, then given up."""

import pytest

from bodega.engine.request import Delta, Finish
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


def test_a_reader_that_takes_nothing_for_long_is_given_up(
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
    assert [delta.text for delta in stream.take()] == ["a", "b", "c"]
    with pytest.raises(SlowReader):
        stream.take()


def test_a_reader_that_takes_something_now_and_then_is_not_given_up(
    clock: Clock, cancelled: list[BodegaError | None]
) -> None:
    stream = AnswerStream(cancel=cancelled.append, stall_s=30.0)
    for _ in range(5):
        stream.push(Delta("a", 1, None))
        clock.now_s += 29.0
        stream.push(Delta("", 1, None))
        assert [delta.tokens for delta in stream.take()] == [1, 1]
        # A model that says nothing for long is not its reader's fault.
        clock.now_s += 100.0
    stream.push(Delta("", 1, Finish.STOP))
    assert cancelled == []


def test_an_end_that_comes_late_is_still_told(
    clock: Clock, cancelled: list[BodegaError | None]
) -> None:
    stream = AnswerStream(cancel=cancelled.append, stall_s=30.0)
    stream.push(Delta("a", 1, None))
    clock.now_s = 1000.0
    stream.push(Delta("b", 1, Finish.STOP))
    assert cancelled == []
    assert [delta.finish for delta in stream.take()] == [None, Finish.STOP]
    assert stream.take() == []


def test_what_waits_to_be_read_has_a_bound(cancelled: list[BodegaError | None]) -> None:
    stream = AnswerStream(cancel=cancelled.append)
    pieces = 0
    while not cancelled:
        stream.push(Delta("x" * 1000, 1, None))
        pieces += 1
    assert pieces == MAX_UNREAD_CHARS // 1000 + 1
