"""The real server: its start, its end, and what it says when it cannot start."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from bodega import platform
from tests.models import TINY_CHAT
from tests.process.program import Program, program

Run = Callable[..., AbstractContextManager[Program]]


@pytest.fixture
def bodega(tmp_path: Path) -> Iterator[Run]:
    """Return how to run the command; its temporary folder is empty when it has ended."""
    with tempfile.TemporaryDirectory(prefix="bodega-test-") as temporary:

        def run(*arguments: object, inherit: int | None = None) -> AbstractContextManager[Program]:
            environment = {"TMPDIR": temporary, "BODEGA_HOME": str(tmp_path / "home")}
            return program(["-m", "bodega", *map(str, arguments)], environment, inherit=inherit)

        yield run
        assert not list(Path(temporary).glob("bodega-*"))


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Return a port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_it_serves_and_ends_with_0_after_a_signal(bodega: Run) -> None:
    free = ["--port", 0, "--grpc-port", 0, "--log-format", "json"]
    with bodega("serve", "--model", TINY_CHAT, *free) as server:
        listening = json.loads(server.line('"listening"'))
        loaded = json.loads(server.line('"loaded"'))
        assert loaded["context_length"] == 4096
        with urllib.request.urlopen(f"{listening['http']}/health") as answer:
            assert json.load(answer)["status"] == "ok"
        server.send(signal.SIGTERM)
        assert server.end() == 0
    assert all(line.startswith("{") for line in server.lines)
    blas = platform.find_fast_blas() if platform.needs_blas() else None
    assert listening["blas"] == (blas.name if blas else None)


def test_nothing_is_left_when_it_is_killed(bodega: Run) -> None:
    with bodega("serve", "--port", 0, "--grpc-port", 0) as server:
        server.line("Try:")
        server.send(signal.SIGKILL)
        assert server.end() == -signal.SIGKILL


@pytest.mark.parametrize(("taken", "other"), [("--port", "--grpc-port"), ("--grpc-port", "--port")])
def test_a_taken_port_is_told_in_one_line_that_names_the_flag(
    bodega: Run, taken_port: int, taken: str, other: str
) -> None:
    with bodega("serve", taken, taken_port, other, 0) as server:
        line = server.line(f"Port {taken_port} is in use by another program.")
        assert line.endswith(f" {taken} chooses another.")
        assert server.end() == 1
    assert [line] == server.lines


def test_a_model_that_is_not_there_ends_the_server_with_its_reason(
    bodega: Run, tmp_path: Path
) -> None:
    with bodega("serve", "--port", 0, "--grpc-port", 0, "--model", tmp_path / "none") as server:
        server.line(lambda line: "ERROR" in line and "none" in line)
        assert server.end() == 1


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Return a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="b-") as folder:
        yield Path(folder) / "s"


def test_a_second_core_leaves_the_socket_of_the_first_alone(bodega: Run, short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as first:
        first.bind(str(short_path))
        first.listen()
        with bodega("core", "--port", 0, "--socket", short_path) as second:
            line = second.line(f"A server is listening on '{short_path}'.")
            assert second.end() == 1
        assert [line] == second.lines
        assert short_path.exists()


def test_the_socket_of_a_dead_core_is_replaced(bodega: Run, short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(short_path))
    reading, writing = os.pipe()
    arguments = ["--port", 0, "--socket", short_path, "--ready-fd", writing]
    with os.fdopen(reading) as messages, bodega("core", *arguments, inherit=writing) as core:
        os.close(writing)
        assert json.loads(messages.readline())["socket"] == str(short_path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(short_path))
        core.send(signal.SIGTERM)
        assert core.end() == 0


def test_the_command_line_imports_no_server_before_it_must() -> None:
    heavy = {"aiohttp", "asyncio", "grpc", "mlx", "numpy", "google"}
    script = f"import sys; from bodega.cli import main; print({heavy} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout == "set()\n"
