"""Work that goes on when whoever asked for it leaves."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from bodega.errors import BodegaError, ShuttingDown

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class Background:
    """Some such work, which ends with the server. On the event loop only.

    Attributes:
        ended: whether the server has ended, and all of it with it.
    """

    def __init__(self) -> None:
        self.ended = False
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Begin work; it is cancelled by `end` alone. The log is told of its failure.

        Raises:
            ShuttingDown: the server has ended.
        """
        if self.ended:
            work.close()
            raise ShuttingDown
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_log_failure)
        return task

    async def wait(self, task: asyncio.Task[Result]) -> Result:
        """Return the result of such work, which goes on when the waiting is cancelled.

        Raises:
            ShuttingDown: the server has ended.
            Exception: whatever the work raises.
        """
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if self.ended and task.cancelled():
                raise ShuttingDown from None
            raise

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Begin work and wait for it.

        Raises:
            ShuttingDown, Exception: as `wait`.
        """
        return await self.wait(self.start(work))

    def end(self) -> None:
        """Cancel all of it."""
        self.ended = True
        for task in self._tasks:
            task.cancel()


def _log_failure(task: asyncio.Task[Any]) -> None:
    if task.cancelled():
        return
    error = task.exception()
    if isinstance(error, BodegaError):
        logger.info("a load, download, import or deletion failed: %s", error.message)
    elif error is not None:
        logger.error("a load, download, import or deletion failed", exc_info=error)
