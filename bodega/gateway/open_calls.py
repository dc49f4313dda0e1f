"""The calls to the core that are in flight, so that shutting down can end them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from bodega.errors import ShuttingDown


class OpenCalls:
    """Holds each call while it is answered. Bounded by the connections that are open."""

    def __init__(self) -> None:
        self._calls: set[grpc.aio.Call] = set()
        self._is_ended = False

    @contextmanager
    def track(self, call: grpc.aio.Call) -> Iterator[None]:
        """Hold a call, and cancel it on leaving, however that comes about.

        Raises:
            ShuttingDown: `end_all` ended the call.
        """
        self._calls.add(call)
        try:
            yield
        except asyncio.CancelledError:
            # Of a call cancelled here grpc raises the same as of a client that left.
            if self._is_ended and not _is_task_cancelled():
                raise ShuttingDown from None
            raise
        finally:
            self._calls.discard(call)
            call.cancel()

    def end_all(self) -> None:
        """Cancel every call that is in flight."""
        self._is_ended = True
        for call in tuple(self._calls):
            call.cancel()


def _is_task_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
