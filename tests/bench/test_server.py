"""The server under measurement is started, and always ended."""

import os
import sys
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.server import Server, running_server

# Its port is its process id.
SERVES = """
import json, os, signal, sys
def say(**line): print(json.dumps(line), file=sys.stderr, flush=True)
say(level="info", message="listening", http=f"http://localhost:{os.getpid()}")
say(level="error", message="a row is lost")
say(level="info", message="loaded")
signal.pause()
"""
FAILS = "import sys; sys.exit('the model is damaged')"


def command(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def is_alive(server: Server) -> bool:
    assert server.base_url == f"http://localhost:{server.pid}/v1"
    try:
        os.kill(server.pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_server_ends_with_the_measurement() -> None:
    with running_server(Path("m"), max_concurrency=2, command=command(SERVES)) as server:
        assert is_alive(server)
    assert not is_alive(server)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), ValueError()])
def test_the_server_ends_when_the_measurement_breaks_off(error: BaseException) -> None:
    with (
        pytest.raises(type(error)),
        running_server(Path("m"), max_concurrency=2, command=command(SERVES)) as server,
    ):
        raise error
    assert not is_alive(server)


def test_a_failed_measurement_tells_what_the_server_complained_of() -> None:
    with (
        pytest.raises(BenchError, match=r"too short\n.*a row is lost"),
        running_server(Path("m"), max_concurrency=2, command=command(SERVES)),
    ):
        raise BenchError("too short")


def test_a_server_that_does_not_start_tells_why() -> None:
    with (
        pytest.raises(BenchError, match=r"did not start\.\nthe model is damaged"),
        running_server(Path("m"), max_concurrency=2, command=command(FAILS)),
    ):
        pass
