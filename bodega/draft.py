"""Write a file or folder beside its place and put it there whole, or not at all."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def draft_of(target: Path, *, wait: bool = True) -> Iterator[Path]:
    """Give a path to write to, which takes the place of `target` when the block ends well.

    One process at a time is in such a block for a target and others wait, so ask inside whether
    the target is there by now: a block that writes nothing leaves it as it is. What a killed
    process left behind is removed.

    Args:
        target: a file, or a folder that does not exist yet. The folder around it is made.
        wait: whether to wait for another who is in such a block.

    Raises:
        BlockingIOError: another one is, and is not to be waited for.
        OSError: the place cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.partial")
    # The lock's file stays: were it removed, a waiting and a new process could hold one each.
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(draft)
        try:
            yield draft
            if draft.exists():
                _sync(draft)
                draft.replace(target)
        finally:
            _remove(draft)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Put the content on the disk before the name: a power cut must not leave an empty file."""
    for file in [path, *path.rglob("*")]:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
