"""The private folder of a server, and what becomes of those that a killed server left."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bodega.supervisor.folder import SOCKET_NAME, private_folder, remove_if_dead


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty temporary folder that is this test's own."""
    folder = tmp_path_factory.mktemp("t")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def left_behind(temporary: Path, *, name: str = "bodega-old") -> Path:
    """Return a folder as a server leaves it whose processes were all killed."""
    folder = temporary / name
    folder.mkdir(mode=0o700)
    for file in ("lock", "state.json"):
        (folder / file).touch()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / SOCKET_NAME))
    return folder


@contextmanager
def lock_held(folder: Path) -> Iterator[None]:
    lock = os.open(folder / "lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(lock)


def test_a_folder_is_private_and_goes_with_its_server(temporary: Path) -> None:
    with private_folder() as folder:
        assert folder.parent == temporary
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "state.json").touch()
    assert not list(temporary.iterdir())


def test_a_new_server_removes_what_a_killed_one_left(temporary: Path) -> None:
    left_behind(temporary)
    with private_folder() as folder:
        assert list(temporary.iterdir()) == [folder]


def test_a_new_server_leaves_alone_what_is_alive_or_something_else(temporary: Path) -> None:
    locked = left_behind(temporary, name="bodega-locked")
    answering = left_behind(temporary, name="bodega-answering")
    other = left_behind(temporary, name="else-")
    bare = temporary / "bodega-bare"
    bare.mkdir()
    (answering / SOCKET_NAME).unlink()
    with socket.socket(socket.AF_UNIX) as alive, lock_held(locked):
        alive.bind(str(answering / SOCKET_NAME))
        alive.listen()
        with private_folder() as folder:
            assert set(temporary.iterdir()) == {folder, locked, answering, other, bare}


def test_only_a_servers_folder_is_removed(temporary: Path) -> None:
    other = left_behind(temporary, name="mine")
    remove_if_dead(other)
    assert other.exists()
    remove_if_dead(temporary / "bodega-none")
    dead = left_behind(temporary)
    remove_if_dead(dead)
    assert not dead.exists()
