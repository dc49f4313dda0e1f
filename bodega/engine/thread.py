"""The one thread that owns MLX. It runs jobs piece by piece and tells of them in batches.

Device streams belong to the thread that made them, and a batch must not be
changed while it is stepped: with one owner neither needs a lock. Work comes in
as calls on a queue; results leave as calls on the event loop, those of a round
with one wake-up.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from bodega import platform

logger = logging.getLogger(__name__)

Call = Callable[[], None]


class Work(Protocol):
    """Something the thread runs piece by piece."""

    def ready(self) -> bool:
        """Return whether there is a piece to run now."""

    def limit_s(self) -> float:
        """Return how long the next piece may take before it counts as a hang."""

    def advance(self) -> None:
        """Run the next piece. Must not raise."""


class EngineThread:
    """Runs work on a thread of its own and posts its results to an event loop."""

    def __init__(self, *, prepare: Call, release: Call) -> None:
        """Make one that does not run yet.

        Args:
            prepare: called on the thread before any work.
            release: called on it as its last act.
        """
        self._prepare = prepare
        self._release = release
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._work: list[Work] = []
        self._outbox: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._run, name="bodega-engine")
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the thread; its results go to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """End the thread after the piece it is in, and wait for that."""
        if self._thread.is_alive():
            self._calls.put(None)
            await asyncio.to_thread(self._thread.join)

    @property
    def overdue(self) -> bool:
        """Whether the piece being run takes longer than it promised, or the thread has died."""
        deadline = self._deadline
        if deadline is not None and time.monotonic() > deadline:
            return True
        return self._loop is not None and not self._thread.is_alive()

    def post(self, call: Call) -> None:
        """Have the thread make a call between two pieces. From any thread."""
        self._calls.put(call)

    def add(self, work: Work) -> None:
        """Take work in. On the thread only."""
        self._work.append(work)

    def remove(self, work: Work) -> None:
        """Drop work. On the thread only."""
        self._work.remove(work)

    def tell(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have the event loop call a function with the other results that wait. Thread only."""
        self._outbox.append((function, arguments))

    def flush(self) -> None:
        """Send what there is to tell now. Thread only."""
        if not self._outbox or self._loop is None:
            return
        outbox, self._outbox = self._outbox, []
        try:
            self._loop.call_soon_threadsafe(_deliver, outbox)
        except RuntimeError:
            # The event loop has closed; nobody is left to tell.
            logger.debug("results dropped: the event loop is closed")

    def _run(self) -> None:
        platform.name_thread()
        self._prepare()
        try:
            while self._take_calls():
                self._advance()
        finally:
            self._work.clear()
            self._release()

    def _advance(self) -> None:
        # In a frame of its own: a name that outlived the round would keep a model in memory.
        for work in list(self._work):
            if work.ready():
                self._deadline = time.monotonic() + work.limit_s()
                work.advance()
        self._deadline = None
        self.flush()

    def _take_calls(self) -> bool:
        """Make the calls that wait, or wait for one if there is no work; False to end."""
        idle = not any(work.ready() for work in self._work)
        while True:
            try:
                call = self._calls.get(block=idle)
            except queue.Empty:
                return True
            if call is None:
                return False
            call()
            idle = False


def _deliver(outbox: list[tuple[Callable[..., None], tuple[Any, ...]]]) -> None:
    for function, arguments in outbox:
        try:
            function(*arguments)
        except Exception:  # boundary: what fails for one request must reach the others
            logger.exception("a result could not be delivered")
