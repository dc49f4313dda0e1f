"""A command in a terminal of its own, as a person has it, and a command in a pipe."""

import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from click.testing import CliRunner, Result
from pexpect import EOF
from pexpect.fdpexpect import fdspawn

from bodega.cli import main

WAIT_S = 30
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[=>]")

# Nobody here answers where the cursor is.
_TERMINAL = {"TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}

# The terminal that a session's leader opens becomes the one that Ctrl-C comes from.
_LEAD = (
    "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """A terminal with a command in it."""

    def __init__(self, descriptor: int, process: "subprocess.Popen[bytes]") -> None:
        self._spawn = fdspawn(descriptor, timeout=WAIT_S, encoding="utf-8")
        self._process = process

    def expect(self, pattern: str) -> str:
        """Wait until a pattern is shown, and return what was shown before it and it, plain."""
        self._spawn.expect(pattern)
        return plain(self._spawn.before + self._spawn.after)

    def type(self, keys: str) -> None:
        """Press keys."""
        self._spawn.send(keys)

    def end(self) -> tuple[int, str]:
        """Wait until the command ends; return its exit code and what was shown since."""
        with suppress(OSError):  # Linux says so where a terminal's other end is closed
            self._spawn.expect(EOF)
        return self._process.wait(WAIT_S), str(self._spawn.before)


@dataclass(frozen=True)
class Bodega:
    """The command ``bodega`` with an environment."""

    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, piped: str = "") -> "subprocess.CompletedProcess[str]":
        """Run a command without a terminal."""
        return subprocess.run(
            [sys.executable, "-m", "bodega", *arguments],
            input=piped,
            capture_output=True,
            text=True,
            timeout=2 * WAIT_S,
            check=False,
            env={**os.environ, **self.environment},
        )

    def here(self, *arguments: str) -> Result:
        """Run a command in this process, which is quicker."""
        return CliRunner().invoke(main, arguments, env=self.environment)

    @contextmanager
    def in_terminal(self, *arguments: str) -> Iterator[Terminal]:
        """Run a command in a terminal while the context lasts."""
        ours, its = pty.openpty()
        termios.tcsetwinsize(its, (40, 120))
        process = subprocess.Popen(
            [sys.executable, "-c", _LEAD, sys.executable, "-m", "bodega", *arguments],
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
            env={**os.environ, **_TERMINAL, **self.environment},
        )
        os.close(its)
        try:
            yield Terminal(ours, process)
        finally:
            process.kill()
            process.wait()
            os.close(ours)


def plain(shown: str) -> str:
    """Return what was shown without the sequences that colour it and move the cursor."""
    return _ESCAPES.sub("", shown)
