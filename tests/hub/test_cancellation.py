"""Cancelling wakes whoever waits, on a clock or on the network."""

import socket
import threading

import pytest

from bodega.errors import DownloadCancelled
from bodega.hub.cancellation import Cancellation


def test_who_waits_for_the_network_is_woken() -> None:
    cancellation = Cancellation("org/one")
    ours, theirs = socket.socketpair()
    read: list[bytes] = []
    guarded = threading.Event()

    def wait() -> None:
        with cancellation.guard(ours):
            guarded.set()
            read.append(ours.recv(1))

    with ours, theirs:
        thread = threading.Thread(target=wait)
        thread.start()
        assert guarded.wait(30)
        cancellation.cancel()
        thread.join(30)
    assert read == [b""]


def test_who_waits_for_time_to_pass_is_woken() -> None:
    cancellation = Cancellation("org/one")
    timer = threading.Timer(0.0, cancellation.cancel)
    timer.start()
    with pytest.raises(DownloadCancelled, match="org/one"):
        cancellation.wait(3600.0)
    timer.join()


def test_what_is_cancelled_begins_nothing() -> None:
    cancellation = Cancellation("org/one")
    cancellation.check()
    cancellation.cancel()
    with pytest.raises(DownloadCancelled):
        cancellation.check()
    with pytest.raises(DownloadCancelled), cancellation.guard(None):
        pytest.fail("was begun")
    with (
        socket.socket() as connection,
        pytest.raises(DownloadCancelled),
        cancellation.guard(connection),
    ):
        pytest.fail("was begun")


def test_a_socket_that_is_closed_already_is_no_matter() -> None:
    cancellation = Cancellation("org/one")
    connection = socket.socket()
    with cancellation.guard(connection):
        connection.close()
        cancellation.cancel()
