"""A program under test: real, followed line by line, and never left behind."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import Empty, Queue

WAIT_S = 60.0
SHOWN_LINES = 200


class Program:
    """A running program and what it writes to standard error.

    Attributes:
        lines: what was read of it so far.
        written: what it has written so far.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._incoming: Queue[str | None] = Queue()
        self.lines: list[str] = []
        self.written: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self.written.append(line.rstrip("\n"))
                self._incoming.put(self.written[-1])
        self._incoming.put(None)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def line(self, wanted: str | Callable[[str], bool]) -> str:
        """Return the next line that holds a text or passes a test."""
        matches = (lambda line: wanted in line) if isinstance(wanted, str) else wanted
        while True:
            line = self._next()
            if line is None:
                raise AssertionError(f"ended without {wanted!r}: {self.lines}")
            if matches(line):
                return line

    def end(self) -> int:
        """Wait until the program and all that it started have ended; return its exit code.

        They share standard error, which reads as ended when the last of them is gone.
        """
        while self._next() is not None:
            pass
        return self._process.wait(WAIT_S)

    def wait(self, limit_s: float) -> int:
        """Return the program's exit code once it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not ended within the limit.
        """
        return self._process.wait(limit_s)

    def send(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        self._process.send_signal(number)

    def _next(self) -> str | None:
        try:
            line = self._incoming.get(timeout=WAIT_S)
        except Empty:
            raise AssertionError(f"silent for {WAIT_S:.0f} s: {self.lines}") from None
        if line is not None:
            self.lines.append(line)
        return line


@contextmanager
def program(
    arguments: Sequence[str], environment: Mapping[str, str], *, inherit: int | None = None
) -> Iterator[Program]:
    """Run a Python program with this interpreter while the context lasts.

    Args:
        arguments: what follows the interpreter.
        environment: variables to add to this process's own.
        inherit: a file descriptor that the program gets under the same number.
    """
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=() if inherit is None else (inherit,),
        env={**os.environ, **environment},
        start_new_session=True,
    )
    running = Program(process)
    try:
        yield running
    except BaseException:
        print(*running.written[-SHOWN_LINES:], sep="\n")  # pytest shows it with the failure
        raise
    finally:
        # Its children end with it: they watch it.
        process.kill()
        process.wait()
