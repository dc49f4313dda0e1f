"""One model's folder in the Hugging Face cache, in the layout that all its users know.

blobs/HASH are the files, blobs/HASH.incomplete those being fetched, snapshots/COMMIT/NAME links to
them, refs/REVISION commits, trees/COMMIT.json what a commit holds. Locks are beside, in .locks.
"""

import contextlib
import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout
from huggingface_hub import constants
from huggingface_hub.utils import WeakFileLock

from bodega import limits
from bodega.errors import CacheLocked, ModelInUse
from bodega.hub.cancellation import Cancellation
from bodega.hub.manifest import Manifest, RepositoryFile, write_tree
from bodega.hub.paths import cache_folder, repository_name

UNFINISHED: Final = ".incomplete"

_LOCK_LOOK_S: Final = 0.5
_IN_USE: Final = "bodega"


class CachedRepository:
    """The folder of a model in the cache, there or not."""

    def __init__(self, model_id: str) -> None:
        """Make one; nothing is touched yet.

        Args:
            model_id: the model's id, which the caller has checked.
        """
        name = repository_name(model_id)
        self.folder = cache_folder() / name
        self._locks = cache_folder() / ".locks" / name

    def blob(self, file: RepositoryFile) -> Path:
        """Return where a file is once it is here."""
        return self.folder / "blobs" / file.blob

    def partial(self, file: RepositoryFile) -> Path:
        """Return where a file is while it is being fetched."""
        return self.folder / "blobs" / f"{file.blob}{UNFINISHED}"

    def snapshot(self, commit: str) -> Path:
        """Return the folder of a commit's files."""
        return self.folder / "snapshots" / commit

    def find(self, commit: str, file: RepositoryFile) -> Path | None:
        """Return where a file is, or None if it is not here."""
        if (blob := self.blob(file)).is_file():
            return blob
        # Where there are no links, it may be in its place itself.
        place = self.snapshot(commit) / file.name
        return place if place.is_file() and not place.is_symlink() else None

    def present_bytes(self, commit: str, file: RepositoryFile) -> int:
        """Return how many bytes of a file are here, by its size alone."""
        found = self.find(commit, file)
        if found is not None:
            return file.size_bytes if found.stat().st_size == file.size_bytes else 0
        try:
            here = self.partial(file).stat().st_size
        except OSError:
            return 0
        return here if here <= file.size_bytes else 0

    def begin(self, manifest: Manifest) -> None:
        """Make the folders for a commit, and keep what it holds: so all can tell what is missing.

        Raises:
            OSError: they cannot be written.
        """
        for folder in (self.folder / "blobs", self.snapshot(manifest.commit)):
            folder.mkdir(parents=True, exist_ok=True)
        tree = self.folder / "trees" / f"{manifest.commit}.json"
        if not tree.exists():
            _write(tree, write_tree(manifest))

    def place(self, commit: str, file: RepositoryFile) -> None:
        """Let a file that is here appear under its name.

        Raises:
            OSError: it cannot.
        """
        blob, place = self.blob(file), self.snapshot(commit) / file.name
        if not blob.exists() or (place.exists() and place.samefile(blob)):
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        _link(blob, place)

    def write_reference(self, revision: str, commit: str) -> None:
        """Let a branch or tag be at a commit.

        Raises:
            OSError: it cannot be written.
        """
        if revision != commit:
            _write(self.folder / "refs" / revision, commit.encode("ascii"))

    def has_reference(self, revision: str) -> bool:
        """Return whether it is known which commit a branch or tag is at."""
        return (self.folder / "refs" / revision).is_file()

    @contextlib.contextmanager
    def hold(self, file: RepositoryFile, cancellation: Cancellation) -> Iterator[None]:
        """Keep other processes, huggingface_hub's too, from fetching a file meanwhile.

        Raises:
            CacheLocked: another process has it, and nothing comes.
            DownloadCancelled: it was cancelled.
        """
        path = self._locks / f"{file.blob}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        seen, since = self._unfinished_bytes(file), time.monotonic()
        with contextlib.ExitStack() as stack:
            while True:
                cancellation.check()
                try:
                    stack.enter_context(WeakFileLock(path, timeout=_LOCK_LOOK_S))
                    break
                except Timeout:
                    pass
                here = self._unfinished_bytes(file)
                if here != seen:
                    seen, since = here, time.monotonic()
                elif time.monotonic() - since > limits.LOCK_SILENCE_S:
                    raise CacheLocked(f".locks/{path.parent.name}/{path.name}")
            yield

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep other processes of ours from deleting the folder meanwhile.

        Raises:
            ModelInUse: it is being deleted.
        """
        with self._own_lock(fcntl.LOCK_SH, "being deleted"):
            yield

    @contextlib.contextmanager
    def not_in_use(self) -> Iterator[None]:
        """Keep processes of ours from using the folder meanwhile.

        Raises:
            ModelInUse: one does, or one of huggingface_hub fetches a file.
        """
        with self._own_lock(fcntl.LOCK_EX, "being downloaded"):
            if any(_is_held(path) for path in self._locks.glob("*.lock")):
                raise ModelInUse("being downloaded")
            yield

    def forget_locks(self) -> None:
        """Remove the locks of a folder that is gone."""
        shutil.rmtree(self._locks, ignore_errors=True)

    def sweep(self) -> None:
        """Remove old unfinished files that no process holds."""
        before = time.time() - limits.ORPHAN_S
        for path in (self.folder / "blobs").glob(f"*{UNFINISHED}"):
            lock = self._locks / f"{path.name.partition('.')[0]}.lock"
            with contextlib.suppress(OSError):  # another process was quicker
                if path.stat().st_mtime < before and not _is_held(lock):
                    path.unlink()

    def _unfinished_bytes(self, file: RepositoryFile) -> int:
        """Return how much of a file is here, whoever fetches it."""
        total = 0
        for path in (self.folder / "blobs").glob(f"{file.blob}*"):
            with contextlib.suppress(OSError):  # finished meanwhile
                total += path.stat().st_size
        return total

    @contextlib.contextmanager
    def _own_lock(self, kind: int, how: str) -> Iterator[None]:
        self._locks.mkdir(parents=True, exist_ok=True)
        with (self._locks / _IN_USE).open("w") as lock:
            try:
                fcntl.flock(lock, kind | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ModelInUse(how) from error
            yield


def _is_held(lock: Path) -> bool:
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def _link(blob: Path, place: Path) -> None:
    if not constants.HF_HUB_DISABLE_SYMLINKS:
        with contextlib.suppress(OSError):
            place.symlink_to(os.path.relpath(blob, place.parent))
            return
    with contextlib.suppress(OSError):
        place.hardlink_to(blob)
        return
    shutil.copyfile(blob, place)


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
