"""A file that is being fetched: what is here of it, and the hash of that.

Its name is always the same, so that a later process goes on where a killed one was.
"""

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from bodega.hub.manifest import RepositoryFile

_CHUNK_BYTES: Final = 1024 * 1024


class PartialFile:
    """What is here of a file. The caller sees to it that nobody else writes to it."""

    def __init__(self, path: Path, file: RepositoryFile) -> None:
        """Open it, empty or with what an earlier try left.

        Args:
            path: where it is.
            file: what it becomes.

        Raises:
            OSError: it cannot be written.
        """
        self._path = path
        self._file = file
        self._output = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
        self._digest = file.digest()
        self.size_bytes = 0

    def __enter__(self) -> "PartialFile":
        """Enter."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file; what is here of it stays."""
        self._output.close()

    @property
    def is_sound(self) -> bool:
        """Whether all of it is here, with the hash that it should have."""
        return (
            self.size_bytes == self._file.size_bytes and self._digest.hexdigest() == self._file.blob
        )

    @property
    def left_bytes(self) -> int:
        """What an earlier try left of it."""
        return os.fstat(self._output.fileno()).st_size

    def read_back(self, watch: Callable[[int], None]) -> None:
        """Hash what an earlier try left, which costs reading it once.

        Args:
            watch: is told now and then how many bytes have been read.
        """
        if self.left_bytes > self._file.size_bytes:
            self.restart()
        while chunk := self._output.read(_CHUNK_BYTES):
            self._digest.update(chunk)
            self.size_bytes += len(chunk)
            watch(self.size_bytes)

    def write(self, chunk: bytes) -> None:
        """Add bytes at the end.

        Raises:
            OSError: the disk is full, or fails.
        """
        rest = memoryview(chunk)
        while rest:
            rest = rest[self._output.write(rest) :]
        self._digest.update(chunk)
        self.size_bytes += len(chunk)

    def restart(self) -> None:
        """Forget all that is here."""
        self._output.seek(0)
        self._output.truncate()
        self._digest = self._file.digest()
        self.size_bytes = 0

    def finish(self, target: Path) -> None:
        """Give it its name, once its content is on the disk: a power cut leaves no empty file."""
        os.fsync(self._output.fileno())
        self._path.replace(target)


def is_sound(path: Path, file: RepositoryFile, watch: Callable[[int], None]) -> bool:
    """Whether a file on the disk is what the hub says it is. Reads all of it if its size is.

    Args:
        path: the file on the disk.
        file: the file on the hub.
        watch: is told now and then how many bytes have been read.

    Raises:
        OSError: it cannot be read.
    """
    if path.stat().st_size != file.size_bytes:
        return False
    digest, read_bytes = file.digest(), 0
    with path.open("rb", buffering=0) as source:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            read_bytes += len(chunk)
            watch(read_bytes)
    return digest.hexdigest() == file.blob
