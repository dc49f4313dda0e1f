"""One answer as its reader sees it, on the event loop."""

import asyncio
import time
from collections.abc import Callable
from typing import Self

from bodega.engine.milestones import Milestones
from bodega.engine.request import Delta, Finish
from bodega.errors import BodegaError, SlowReader
from bodega.limits import MAX_UNREAD_CHARS, STALL_S


class AnswerStream:
    """An asynchronous iterator over the deltas of one answer.

    Deltas that wait for a slow reader are joined. It ends exactly once: after a
    delta with a finish reason, or with an error. Leaving it by `cancel` ends
    the request.

    Attributes:
        cached_tokens: tokens of the prompt that were not computed again.
        milestones: when it got how far.
    """

    def __init__(
        self, *, cancel: Callable[[BodegaError | None], None], stall_s: float = STALL_S
    ) -> None:
        """Make one.

        Args:
            cancel: asks the engine to end the request, with an error for its reader or None.
            stall_s: how long its reader may take nothing.
        """
        self.cached_tokens = 0
        self.milestones = Milestones(submitted_s=time.monotonic())
        self._cancel = cancel
        self._texts: list[str] = []
        self._chars = 0
        self._tokens = 0
        self._stall_s = stall_s
        self._unread_since_s: float | None = None
        self._finish: Finish | None = None
        self._error: BodegaError | None = None
        self._ended = False
        self._news = asyncio.Event()

    def push(self, delta: Delta) -> None:
        """Take in what is new."""
        if self._ended:
            return
        self._texts.append(delta.text)
        self._chars += len(delta.text)
        self._tokens += delta.tokens
        self._finish = delta.finish
        self._ended = delta.finish is not None
        self._news.set()
        now_s = time.monotonic()
        self.milestones.token_came(now_s)
        if self._is_left_unread(now_s) and not self._ended:
            self._cancel(SlowReader())
            self.fail(SlowReader())

    def _is_left_unread(self, now_s: float) -> bool:
        if self._unread_since_s is None:
            self._unread_since_s = now_s
        return self._chars > MAX_UNREAD_CHARS or now_s - self._unread_since_s > self._stall_s

    def fail(self, error: BodegaError | None) -> None:
        """End the stream with an error; with None if its reader has left."""
        if self._ended:
            return
        self._error = error
        self._ended = True
        self._news.set()

    def cancel(self) -> None:
        """End the request: its reader leaves. Does nothing once it has ended."""
        if not self._ended:
            self._cancel(None)
            self.fail(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delta:
        await self._news.wait()
        if self._tokens:
            delta = Delta("".join(self._texts), self._tokens, self._finish)
            self._texts.clear()
            self._chars = self._tokens = 0
            self._unread_since_s = None
            if not self._ended:
                self._news.clear()
            return delta
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration
