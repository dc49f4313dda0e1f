"""What is on the disk of a model, and how complete that is as far as the files themselves tell."""

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bodega.hub.weight_index import Shards, parse_index
from bodega.limits import MAX_INDEX_BYTES

INDEX: Final = "model.safetensors.index.json"

_OTHER_WEIGHTS: Final = (".bin", ".gguf", ".npz", ".onnx", ".pt", ".pth")
"""Weights that are not safetensors: a model with these is whole, if of no use here."""

_UNFINISHED: Final = ".incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blobs:
    """What a repository keeps on the disk.

    Attributes:
        size_bytes: all of it.
        unfinished_bytes: of that, files still being fetched, counted once each.
        is_unfinished: whether there are any such.
        oldest: when the first file came, in seconds since 1970; None if there is none.
    """

    size_bytes: int
    unfinished_bytes: int
    is_unfinished: bool
    oldest: float | None


def missing_files(snapshot: Path) -> list[str]:
    """Return the names of files that the model needs and that are not there.

    A damaged index counts as missing.
    """
    names = set(os.listdir(snapshot))
    missing = [] if (snapshot / "config.json").is_file() else ["config.json"]
    if INDEX in names:
        shards = read_shards(snapshot)
        if shards is None:
            return [*missing, INDEX]
        return missing + sorted(name for name in shards.names if not (snapshot / name).is_file())
    weights = (".safetensors", *_OTHER_WEIGHTS)
    if not any(name.endswith(weights) and (snapshot / name).is_file() for name in names):
        missing.append("model.safetensors")
    return missing


def read_shards(snapshot: Path, name: str = INDEX) -> Shards | None:
    """Return what the index of the weights says, or None if there is none that can be read."""
    path = snapshot / name
    try:
        status = path.stat()
        return _read_index(path, status.st_mtime_ns, status.st_size)
    except OSError:
        return None


@functools.lru_cache(maxsize=1024)
def _read_index(path: Path, changed_ns: int, size_bytes: int) -> Shards | None:
    """Read an index, and remember it until it changes: large ones take many milliseconds."""
    return parse_index(path.read_bytes()) if size_bytes <= MAX_INDEX_BYTES else None


def present_bytes(snapshot: Path, shards: Shards) -> int:
    """Return how many bytes of the named weight files are there."""
    files = (snapshot / name for name in shards.names)
    return sum(file.stat().st_size for file in files if file.is_file())


def read_blobs(repository: Path) -> Blobs:
    """Add up what a repository keeps on the disk."""
    # Snapshots link to blobs, but hold the files themselves where there are no links.
    return _blobs([*_files(repository / "blobs"), *_files(repository / "snapshots")])


def read_folder(folder: Path) -> Blobs:
    """Add up what a model's folder outside of the cache keeps on the disk."""
    return _blobs(list(_files(folder)))


def _blobs(files: Sequence[tuple["os.DirEntry[str]", os.stat_result]]) -> Blobs:
    finished = {entry.name for entry, _ in files if not entry.name.endswith(_UNFINISHED)}
    unfinished: dict[str, int] = {}
    for entry, status in files:
        # Its name is that of the finished file, and maybe a random part. A try that was killed
        # leaves one behind for good, whatever later tries bring.
        blob = entry.name.partition(".")[0]
        if entry.name.endswith(_UNFINISHED) and blob not in finished:
            unfinished[blob] = max(unfinished.get(blob, 0), status.st_size)
    return Blobs(
        size_bytes=sum(status.st_size for _, status in files),
        unfinished_bytes=sum(unfinished.values()),
        is_unfinished=bool(unfinished),
        oldest=min((status.st_mtime for _, status in files), default=None),
    )


def _files(folder: Path) -> Iterator[tuple["os.DirEntry[str]", os.stat_result]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield entry, entry.stat()
    except OSError:
        # Being removed by someone else, or never there.
        return
