"""The private folder of one server: the socket between its processes, and the core's state."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bodega import listen

SOCKET_NAME: Final = "core.sock"
STATE_NAME: Final = "state.json"

_LOCK_NAME: Final = "lock"
_PREFIX: Final = "bodega-"

# macOS holds 104 bytes of a socket's path, Linux 108, both with a zero at the end.
_MAX_PATH_BYTES: Final = 103


@contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder that only this user can enter; remove it when the context ends.

    It lies in the user's temporary folder, or in /tmp where that would make the socket's path
    too long. Folders of servers that were killed as a whole are removed on the way.
    """
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    if len(os.fsencode(folder / SOCKET_NAME)) > _MAX_PATH_BYTES:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp"))
    try:
        with _locked(folder):
            _remove_dead(beside=folder)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_if_dead(folder: Path) -> None:
    """Remove a server's folder when its supervisor and its core are gone.

    Whatever is not such a folder stays.
    """
    with suppress(OSError):
        if not folder.name.startswith(_PREFIX) or folder.lstat().st_uid != os.getuid():
            return
        if not (folder / _LOCK_NAME).is_file():
            return
        with _locked(folder):
            if not listen.answers(folder / SOCKET_NAME):
                shutil.rmtree(folder, ignore_errors=True)


def _remove_dead(*, beside: Path) -> None:
    for socket in beside.parent.glob(f"{_PREFIX}*/{SOCKET_NAME}"):
        if socket.parent != beside and socket.is_socket():
            remove_if_dead(socket.parent)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, which tells that its supervisor lives.

    Raises:
        BlockingIOError: another process holds it.
    """
    lock = os.open(folder / _LOCK_NAME, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)
