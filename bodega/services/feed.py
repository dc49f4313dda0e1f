"""A value that changes, for any number of readers."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Feed(Generic[Value]):
    """The newest of some values, and those to come. On one event loop.

    Attributes:
        value: the newest.
    """

    def __init__(self, value: Value, *, kept: int = 1) -> None:
        """Make one.

        Args:
            value: the first.
            kept: how many a reader who is slow may have before it; older ones it never sees.
        """
        self.value = value
        self._kept = kept
        self._ended = False
        self._readers: set[_Reader[Value]] = set()

    def put(self, value: Value) -> None:
        """Replace the value and tell the readers."""
        self.value = value
        for reader in self._readers:
            reader.values.append(value)
            reader.news.set()

    def end(self) -> None:
        """Let every reader end after what it has not seen yet."""
        self._ended = True
        for reader in self._readers:
            reader.news.set()

    async def follow(self) -> AsyncIterator[Value]:
        """Iterate over the value there is and those to come, until the feed ends."""
        reader = _Reader(self.value, kept=self._kept)
        self._readers.add(reader)
        try:
            while True:
                while reader.values:
                    yield reader.values.popleft()
                if self._ended:
                    return
                reader.news.clear()
                await reader.news.wait()
        finally:
            self._readers.discard(reader)


class _Reader(Generic[Value]):
    def __init__(self, value: Value, *, kept: int) -> None:
        self.values: deque[Value] = deque([value], maxlen=kept)
        self.news = asyncio.Event()
