"""The real server, `bodega serve`, while it is measured."""

import json
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, Final

from bench.errors import BenchError
from bodega.supervisor.command import BODEGA, child_environment

_START_LIMIT_S: Final = 180.0
_STOP_LIMIT_S: Final = 40.0
"""More than the server's own drain."""

_LOG_LIMIT_S: Final = 5.0
_KEPT_COMPLAINTS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that runs.

    Attributes:
        base_url: its address for OpenAI's clients.
        pid: the process that all its others descend from.
    """

    base_url: str
    pid: int


@contextmanager
def running_server(
    folder: Path, *, max_concurrency: int, command: Sequence[str] = BODEGA
) -> Iterator[Server]:
    """Run the server while the context lasts.

    The server takes no settings from the environment: what is measured is the defaults.

    Args:
        folder: the model that it serves.
        max_concurrency: requests that it may decode together.
        command: the program `bodega`.

    Raises:
        BenchError: it did not start, or the context ended with one. The message then holds what
            the server complained of.
    """
    arguments = ["serve", "--model", str(folder), "--max-concurrency", str(max_concurrency)]
    arguments += ["--port", "0", "--grpc-port", "0", "--log-format", "json"]
    process = subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=child_environment(),
    )
    try:
        assert process.stderr is not None
        log = _Log(process.stderr)
        try:
            http = log.wait_for("listening")["http"]
            log.wait_for("loaded")
            yield Server(base_url=f"{http}/v1", pid=process.pid)
        except BenchError as error:
            _stop(process)
            raise BenchError("\n".join([str(error), *log.complaints()])) from None
    finally:
        _stop(process)


class _Log:
    """Reads a server's log in a thread, to its end: the server never waits for its reader."""

    def __init__(self, lines: IO[str]) -> None:
        self._lines = lines
        self._messages: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._complaints: deque[str] = deque(maxlen=_KEPT_COMPLAINTS)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def wait_for(self, wanted: str) -> dict[str, Any]:
        """Return the line with this message, skipping those before it.

        Raises:
            BenchError: there was none in time, or the server has ended.
        """
        while True:
            try:
                message = self._messages.get(timeout=_START_LIMIT_S)
            except Empty:
                message = None
            if message is None:
                raise BenchError("The server did not start.")
            if message["message"] == wanted:
                return message

    def complaints(self) -> list[str]:
        """Return the latest lines that are no mere information; the server has to have ended."""
        self._thread.join(_LOG_LIMIT_S)
        return list(self._complaints)

    def _follow(self) -> None:
        with self._lines as lines:
            for line in lines:
                message = _parsed(line)
                if message.get("level") != "info":
                    self._complaints.append(line.rstrip())
                elif message["message"] in ("listening", "loaded"):
                    self._messages.put(message)
        self._messages.put(None)


def _parsed(line: str) -> dict[str, Any]:
    try:
        message: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return message


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_LIMIT_S)
    finally:
        # Also when the wait is interrupted. What the server started ends with it.
        process.kill()
        process.wait()
