"""The answers of one model that have not ended, on the event loop."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bodega.engine.stream import AnswerStream


@dataclass(slots=True)
class Wait:
    """How long the answers of one request wait for the turn of the first of them.

    Attributes:
        rows: those of them that have not ended.
        timer: ends the wait.
        is_over: one of them has had its turn.
    """

    rows: set[int]
    timer: asyncio.TimerHandle
    is_over: bool = False


@dataclass(slots=True)
class OpenAnswer:
    """One of them."""

    stream: AnswerStream
    wait: Wait

    @property
    def started_s(self) -> float | None:
        """When it got its turn, by the monotonic clock; None while it waits."""
        return self.stream.milestones.started_s


class OpenAnswers:
    """The answers by their rows. Bounded by the places that requests are let in for."""

    def __init__(self) -> None:
        self._by_row: dict[int, OpenAnswer] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._idle_since_s = time.monotonic()

    def __len__(self) -> int:
        return len(self._by_row)

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._by_row))

    def __getitem__(self, row: int) -> OpenAnswer:
        return self._by_row[row]

    @property
    def active(self) -> int:
        """How many have had their turn: in prefill or decoding, or paused."""
        return sum(1 for one in self._by_row.values() if one.started_s is not None)

    @property
    def idle_for_s(self) -> float:
        """For how long there has been none; 0 while there is one."""
        return 0.0 if self._by_row else time.monotonic() - self._idle_since_s

    async def until_none(self) -> None:
        """Wait until there is none."""
        await self._empty.wait()

    def add(self, streams: Sequence[tuple[int, AnswerStream]], timer: asyncio.TimerHandle) -> None:
        """Take in the answers of one request, and what ends their wait."""
        wait = Wait({row for row, _ in streams}, timer)
        for row, stream in streams:
            self._by_row[row] = OpenAnswer(stream, wait)
        self._empty.clear()

    def start(self, row: int, at_s: float) -> OpenAnswer:
        """Note that one has got its turn, and return it."""
        one = self._by_row[row]
        one.stream.milestones.turn_came(at_s)
        one.wait.is_over = True
        one.wait.timer.cancel()
        return one

    def end(self, row: int) -> OpenAnswer:
        """Take one out that has ended, and return it."""
        one = self._by_row.pop(row)
        one.wait.rows.discard(row)
        if not one.wait.rows:
            one.wait.timer.cancel()
        if not self._by_row:
            self._idle_since_s = time.monotonic()
            self._empty.set()
        return one
