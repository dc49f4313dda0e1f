"""How much of a model is here, compared with what its repository holds."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bodega.hub.cached_repository import UNFINISHED
from bodega.hub.manifest import Manifest, RepositoryFile, read_tree
from bodega.hub.selection import find_indexes, select
from bodega.hub.snapshot import read_shards
from bodega.limits import MAX_INDEX_BYTES

ALMOST: Final = 99.9
"""Most that an incomplete model shows, in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """How much of a model is here.

    Attributes:
        percent: by bytes, from 0 to 100; 100 only if nothing is missing.
        missing: the files that it needs and that are not here with the size that they have.
        missing_weights: those of them without which it cannot be loaded.
    """

    percent: float
    missing: tuple[str, ...]
    missing_weights: tuple[str, ...]


def compare(snapshot: Path, manifest: Manifest) -> Completeness | None:
    """Compare files by their sizes with what a repository holds.

    Args:
        snapshot: the folder of a commit's files, in the cache.
        manifest: what that commit holds.

    Returns:
        How much is here, or None if the repository has nothing that could be used.
    """
    indexes = {
        name: shards
        for name in find_indexes(manifest.files)
        if (shards := read_shards(snapshot, name)) is not None
    }
    needed = select(manifest.files, indexes)
    if not needed.weights:
        return None
    blobs = snapshot.parent.parent / "blobs"
    here, total, missing = 0, 0, []
    for name in needed.names:
        file = manifest.files[name]
        present = _present_bytes(snapshot, blobs, file)
        total += file.size_bytes
        if present is None:
            here += file.size_bytes
        else:
            here += present
            missing.append(name)
    vital = {*needed.weights, "config.json"}
    return Completeness(
        percent=min(ALMOST, 100.0 * here / total) if missing and total else 100.0,
        missing=tuple(missing),
        missing_weights=tuple(name for name in missing if name in vital),
    )


def known_manifest(snapshot: Path) -> Manifest | None:
    """Return what a commit holds if a download wrote that down beside it."""
    path = snapshot.parent.parent / "trees" / f"{snapshot.name}.json"
    try:
        status = path.stat()
        return _read_tree(path, status.st_mtime_ns, status.st_size)
    except OSError:
        return None


@functools.lru_cache(maxsize=1024)
def _read_tree(path: Path, changed_ns: int, size_bytes: int) -> Manifest | None:
    """Read what a commit holds, and remember it until the file changes."""
    return read_tree(path.stem, path.read_bytes()) if size_bytes <= MAX_INDEX_BYTES else None


def _present_bytes(snapshot: Path, blobs: Path, file: RepositoryFile) -> int | None:
    """Return how much of a file is here, or None if all of it is."""
    try:
        size_bytes = (snapshot / file.name).stat().st_size
    except OSError:
        return _size(blobs / f"{file.blob}{UNFINISHED}", at_most=file.size_bytes)
    return None if size_bytes == file.size_bytes else 0


def _size(path: Path, *, at_most: int) -> int:
    try:
        return min(path.stat().st_size, at_most)
    except OSError:
        return 0
