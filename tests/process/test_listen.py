"""A server never takes another's place, and takes the place of a dead one."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bodega.listen import ListenError, addresses, claim_socket, port_taken


@pytest.fixture
def path() -> Iterator[Path]:
    """Return a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="bodega-test-") as folder:
        yield Path(folder) / "s"


def test_a_free_path_is_left_as_it_is(path: Path) -> None:
    claim_socket(path)
    assert not path.exists()


def test_what_a_dead_server_left_is_removed(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
    claim_socket(path)
    assert not path.exists()


def test_a_live_server_keeps_its_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with pytest.raises(ListenError, match=r"A server is listening on .* --socket chooses"):
            claim_socket(path)
        assert path.exists()


def test_a_file_is_not_taken_for_a_socket(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(ListenError, match="is no socket"):
        claim_socket(path)
    assert path.read_text() == "precious"


def test_a_taken_port_is_told_with_the_flag_that_chooses_another() -> None:
    assert str(port_taken(80, "--port")) == (
        "Port 80 is in use by another program. --port chooses another."
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_a_host_that_others_can_reach_needs_a_token(host: str) -> None:
    with pytest.raises(ListenError, match="needs a token"):
        addresses(host)


def test_with_a_token_any_address_of_this_machine_can_be_listened_on() -> None:
    assert addresses("0.0.0.0", has_token=True) == ["0.0.0.0"]
    assert addresses("127.0.0.1", has_token=True) == ["127.0.0.1"]
    for host in ("192.0.2.1", "no-such-host.invalid", "[::1]", "a" * 300):
        with pytest.raises(ListenError, match="is no address of this machine"):
            addresses(host, has_token=True)
