"""How far a download is: adds up what comes, in several threads, and tells it in order."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bodega import limits

_WINDOW_S: Final = 5.0
"""Time that the rate is an average over."""

_ALMOST: Final = 0.999


class DownloadStage(StrEnum):
    """What a download does."""

    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a download is. No figure but the rate ever goes back.

    Attributes:
        fraction: how much of it is here, from 0 to 1; 1 only when completed, all verified.
        current_file: the file that is being fetched or verified, if any.
        file_fraction: how much of that file is here, or verified, from 0 to 1.
        done_files: files that are here and verified.
        done_bytes: what is here, that of unfinished files included.
        bytes_per_s: how fast it comes, over the last seconds.
        seconds_left: how long it is likely to take yet; None while that is not known.
    """

    stage: DownloadStage
    fraction: float
    current_file: str | None
    file_fraction: float
    done_files: int
    total_files: int
    done_bytes: int
    total_bytes: int
    bytes_per_s: float
    seconds_left: float | None


@dataclass(slots=True, kw_only=True)
class _File:
    size_bytes: int
    here_bytes: int
    verified_bytes: int = 0
    stage: DownloadStage = DownloadStage.DOWNLOADING


@dataclass(slots=True)
class _Rate:
    """Bytes a second over the last seconds."""

    fetched_bytes: int = 0
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    def at(self, now: float) -> float:
        self.samples.append((now, self.fetched_bytes))
        while len(self.samples) > 2 and now - self.samples[0][0] > _WINDOW_S:
            self.samples.popleft()
        begin, before = self.samples[0]
        return (self.fetched_bytes - before) / (now - begin) if now > begin else 0.0


class Meter:
    """Is told of every file's bytes, and tells the whole's progress. Safe in several threads."""

    def __init__(
        self,
        sizes: Mapping[str, int],
        here: Mapping[str, int],
        tell: Callable[[Progress], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make one, and tell the first progress.

        Args:
            sizes: bytes of every file, by name.
            here: of these what is here already; files may be left out.
            tell: is called for every change of state, and else ten times a second at most.
            clock: seconds of any beginning.
        """
        self._files = {
            name: _File(size_bytes=size, here_bytes=min(size, here.get(name, 0)))
            for name, size in sizes.items()
        }
        self._total_bytes = sum(sizes.values())
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._active: list[str] = []
        self._done_files = 0
        self._done_bytes = 0
        self._rate = _Rate()
        self._told_at = clock()
        self._rate.at(self._told_at)
        self._tell(self._progress(self._told_at))

    def begin(self, name: str, stage: DownloadStage) -> None:
        """A file is being fetched, or verified, from now on."""
        with self._lock:
            file = self._files[name]
            file.stage, file.verified_bytes = stage, 0
            if name not in self._active:
                self._active.append(name)
            self._change()

    def fetched(self, name: str, fetched_bytes: int, here_bytes: int) -> None:
        """So many bytes have come, and with them so many of the file are here."""
        with self._lock:
            self._files[name].here_bytes = here_bytes
            self._rate.fetched_bytes += fetched_bytes
            self._advance()

    def verified(self, name: str, verified_bytes: int) -> None:
        """So many bytes of the file have been verified."""
        with self._lock:
            self._files[name].verified_bytes = verified_bytes
            self._advance()

    def finish(self, name: str) -> None:
        """All of a file is here and verified."""
        with self._lock:
            self._files[name].here_bytes = self._files[name].size_bytes
            self._done_files += 1
            if name in self._active:
                self._active.remove(name)
            self._change()

    def complete(self) -> None:
        """All is done."""
        with self._lock:
            now = self._clock()
            self._tell(
                Progress(
                    stage=DownloadStage.COMPLETED,
                    fraction=1.0,
                    current_file=None,
                    file_fraction=1.0,
                    done_files=len(self._files),
                    total_files=len(self._files),
                    done_bytes=self._total_bytes,
                    total_bytes=self._total_bytes,
                    bytes_per_s=self._rate.at(now),
                    seconds_left=0.0,
                )
            )

    def _advance(self) -> None:
        if self._clock() - self._told_at >= limits.PROGRESS_S:
            self._change()

    def _change(self) -> None:
        self._told_at = self._clock()
        self._tell(self._progress(self._told_at))

    def _progress(self, now: float) -> Progress:
        # A file that turns out to be damaged is fetched again: what it had counts until then.
        here = sum(file.here_bytes for file in self._files.values())
        self._done_bytes = max(self._done_bytes, here)
        rate = self._rate.at(now)
        left = self._total_bytes - self._done_bytes
        # The others are fetched besides; it is the largest that takes the time.
        current = max(self._active, key=lambda name: self._files[name].size_bytes, default=None)
        file = self._files[current] if current is not None else None
        return Progress(
            stage=file.stage if file is not None else _next_stage(left),
            fraction=min(_ALMOST, self._done_bytes / self._total_bytes)
            if self._total_bytes
            else 0.0,
            current_file=current,
            file_fraction=_fraction(file) if file is not None else 0.0,
            done_files=self._done_files,
            total_files=len(self._files),
            done_bytes=self._done_bytes,
            total_bytes=self._total_bytes,
            bytes_per_s=rate,
            seconds_left=left / rate if rate > 0 else None,
        )


def _next_stage(left_bytes: int) -> DownloadStage:
    return DownloadStage.DOWNLOADING if left_bytes else DownloadStage.VERIFYING


def _fraction(file: _File) -> float:
    done = file.verified_bytes if file.stage is DownloadStage.VERIFYING else file.here_bytes
    return min(1.0, done / file.size_bytes) if file.size_bytes else 1.0
