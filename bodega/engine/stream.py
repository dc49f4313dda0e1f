"""One answer as its reader sees it, on the event loop."""

import time
from collections.abc import Callable

from bodega.engine.milestones import Milestones
from bodega.engine.request import Delta
from bodega.errors import BodegaError, SlowReader
from bodega.limits import MAX_UNREAD_CHARS, STALL_S


class AnswerStream:
    """The deltas of one answer.

    It ends exactly once: after a delta with a finish reason, or with an error.
    Leaving it by `cancel` or `complete` ends the request.

    Attributes:
        on_news: called when there is something to take, or an end to see.
        is_complete: its reader has left because it has all it wants.
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
        self.on_news: Callable[[], None] = lambda: None
        self.is_complete = False
        self.cached_tokens = 0
        self.milestones = Milestones(submitted_s=time.monotonic())
        self._cancel = cancel
        self._deltas: list[Delta] = []
        self._chars = 0
        self._stall_s = stall_s
        self._unread_since_s: float | None = None
        self._error: BodegaError | None = None
        self._ended = False

    def push(self, delta: Delta) -> None:
        """Take in what is new."""
        if self._ended:
            return
        self._deltas.append(delta)
        self._chars += len(delta.text)
        if delta.logprobs:
            # A token of little text may have much told of it.
            self._chars += sum(1 + len(told.top) for told in delta.logprobs)
        self._ended = delta.finish is not None
        self.on_news()
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
        self.on_news()

    def cancel(self) -> None:
        """End the request: its reader leaves. Does nothing once it has ended."""
        if not self._ended:
            self._cancel(None)
            self.fail(None)

    def complete(self) -> None:
        """End the request as one that was answered: its reader needs no more of it."""
        self.is_complete = True
        self.cancel()

    def take(self) -> list[Delta]:
        """Return the deltas that have come since, as the engine told them; perhaps none.

        Raises:
            BodegaError: it has ended with an error, and there is nothing more to take.
        """
        if self._deltas:
            deltas, self._deltas = self._deltas, []
            self._chars = 0
            self._unread_since_s = None
            return deltas
        if self._error is not None:
            raise self._error
        return []
