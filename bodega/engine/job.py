"""Work that ends with a result, such as reading a model."""

import logging
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

from bodega.backends.base import Piece

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Steps = Generator[Piece, None, Result]


class Job(Generic[Result]):
    """Runs a generator of pieces and hands over what it returns or raises."""

    def __init__(
        self,
        steps: Callable[[], Steps[Result]],
        *,
        done: Callable[["Job[Result]", Result | None, BaseException | None], None],
        progress: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Make one.

        Args:
            steps: makes the generator; called on the engine's thread.
            done: called once at the end with this job and its result or error.
            progress: called after each piece with how much is done, from 0 to 1.
        """
        self._make = steps
        self._steps: Steps[Result] | None = None
        self._done = done
        self._progress = progress
        self._limit_s = 60.0

    def ready(self) -> bool:
        """Return whether there is a piece to run now: always, until it has ended."""
        return True

    def limit_s(self) -> float:
        """Return what the generator promised of its next piece."""
        return self._limit_s

    def advance(self) -> None:
        """Run the next piece."""
        try:
            if self._steps is None:
                self._steps = self._make()
            piece = next(self._steps)
            self._limit_s = piece.limit_s
            self._progress(piece.done)
        except StopIteration as end:
            self._done(self, end.value, None)
        except BaseException as error:  # noqa: BLE001 - boundary: whoever waits for it is told
            self._done(self, None, error)
