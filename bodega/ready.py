"""What a child tells the process that started it: lines of JSON over a pipe.

First where it listens, then what happens, and a beat each second for as long as it is well.
"""

import asyncio
import json
import os
from contextlib import suppress

from bodega.limits import BEAT_S

BEAT = "beat"
"""The one member of the message that says nothing but that the child is well."""


class ReadyPipe:
    """The writing end of the pipe; a pipe that nobody gave or reads takes everything."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        if fd is not None:
            # A parent that has stopped reading must not stop its child as well.
            os.set_blocking(fd, False)

    def tell(self, **news: object) -> None:
        """Write one message."""
        if self._fd is not None:
            with suppress(BrokenPipeError, BlockingIOError):
                os.write(self._fd, json.dumps(news).encode() + b"\n")

    def beat(self) -> None:
        """Tell that this process is well."""
        self.tell(**{BEAT: True})

    async def keep_beating(self) -> None:
        """Beat for as long as the event loop turns."""
        while True:
            self.beat()
            await asyncio.sleep(BEAT_S)

    def close(self) -> None:
        """Close the pipe."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
