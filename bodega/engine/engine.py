"""The only bridge between the event loop and the thread that owns MLX."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from bodega.backends.base import Piece, TextLoading, TextModel
from bodega.engine.job import Job, Steps
from bodega.engine.text_resident import Admission, TextResident
from bodega.engine.thread import EngineThread

Result = TypeVar("Result")

CALL_LIMIT_S = 60.0
"""Longest single call on the thread that is not taken for a hang."""


class Engine:
    """Runs device work for the services. On the event loop only."""

    def __init__(self, *, prepare: Callable[[], None], release: Callable[[], None]) -> None:
        """Make one that does not run yet.

        Args:
            prepare: sets the device up, on the engine's thread.
            release: gives it back, as the thread's last act.
        """
        self._thread = EngineThread(prepare=prepare, release=release)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def stop(self) -> None:
        """End the thread; whatever runs ends with it."""
        await self._thread.stop()

    @property
    def stuck(self) -> bool:
        """Whether device work takes longer than it promised, or the thread has died."""
        return self._thread.overdue

    async def run(
        self,
        steps: Callable[[], Steps[Result]],
        *,
        progress: Callable[[float], None] | None = None,
    ) -> Result:
        """Run device work in pieces beside everything else and return its result.

        Args:
            steps: makes the generator of the pieces.
            progress: called on the event loop with how much is done, from 0 to 1.

        Raises:
            Exception: whatever the work raises.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def done(job: Job[Result], result: Result | None, error: BaseException | None) -> None:
            self._thread.remove(job)
            self._thread.tell(_settle, future, result, error)

        def tell(share: float) -> None:
            if progress is not None:
                self._thread.tell(progress, share)

        job = Job(steps, done=done, progress=tell)
        self._thread.post(lambda: self._thread.add(job))
        return await future

    async def open(self, model: TextModel, admission: Admission) -> TextResident:
        """Let a loaded model serve."""
        resident = TextResident(model, admission, self._thread)
        await self._call(resident.start_on_thread)
        return resident

    async def close(self, resident: TextResident) -> None:
        """Take a model out of service and give its memory back."""
        await self._call(resident.stop_on_thread)
        # A round of its own: until the one before has ended, it holds the model's loop.
        await self._call(resident.model.close)

    async def discard(self, loading: TextLoading) -> None:
        """Give back the memory of a model that could not be loaded."""
        await self._call(loading.discard)

    async def _call(self, function: Callable[[], None]) -> None:
        def steps() -> Steps[None]:
            yield Piece(CALL_LIMIT_S)
            function()

        await self.run(steps)


def _settle(future: "asyncio.Future[Result]", result: Result, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
