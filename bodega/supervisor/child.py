"""One child process: started, heard while it lives, and ended. Knows nothing of its work."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from bodega import lifeline, limits
from bodega.ready import BEAT

Message = dict[str, Any]
"""One JSON object that a child writes to its ready_fd."""


Heard = Callable[[Message], None]


class ChildEnded(Exception):
    """A child ended though nobody asked it to."""

    def __init__(self, name: str, code: int, *, was_ready: bool, hung: bool = False) -> None:
        how = "gave no sign of life and was killed" if hung else describe_exit(code)
        super().__init__(f"The {name} {how}.")
        self.name = name
        self.code = code
        self.was_ready = was_ready


class Child:
    """A process in a session of its own, so that Ctrl-C in the terminal does not reach it.

    Attributes:
        name: what it is called in messages, for example ``core``.
    """

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, messages: asyncio.StreamReader
    ) -> None:
        self.name = name
        self._process = process
        self._messages = messages
        self._was_ready = False

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        parent_fd: int,
    ) -> "Child":
        """Start a process.

        Args:
            name: what it is called in messages.
            command: the program and its arguments, to which the two descriptors are added.
            environment: its variables, all of them.
            parent_fd: the reading end of the lifeline; the child inherits it.
        """
        reading, writing = os.pipe()
        messages = await _reader(reading)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                *("--ready-fd", str(writing), "--parent-fd", str(parent_fd)),
                stdin=asyncio.subprocess.DEVNULL,
                env=environment,
                pass_fds=(writing, parent_fd),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        return cls(name, process, messages)

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.returncode is not None

    async def ready(self, *, limit_s: float) -> Message:
        """Return the child's first message, which tells where it listens.

        Raises:
            ChildEnded: it ended before it wrote one, or was killed because it took too long.
        """
        try:
            async with asyncio.timeout(limit_s):
                message = await self._message()
                if message is None:
                    await self.wait()
        except TimeoutError:
            raise await self._killed() from None
        if message is None:
            raise self._ended(await self.wait())
        self._was_ready = True
        return message

    async def follow(self, heard: Heard, *, hang_limit_s: float) -> None:
        """Hand over the messages of a child that is ready until it ends; kill it if it hangs.

        Args:
            heard: called with each message but the beats.
            hang_limit_s: silence that means the child hangs.

        Raises:
            ChildEnded: always, at last.
            Exception: what ``heard`` raises.
        """
        quiet_s = 0.0
        # Silence is counted in short waits: of a time in which this process was stopped itself,
        # only one of them counts.
        while quiet_s < hang_limit_s:
            try:
                async with asyncio.timeout(limits.BEAT_S):
                    message = await self._message()
                    if message is None:
                        raise self._ended(await self.wait())
            except TimeoutError:
                if self.has_ended:
                    raise self._ended(await self.wait()) from None
                quiet_s += limits.BEAT_S
                continue
            quiet_s = 0.0
            if BEAT not in message:
                heard(message)
        raise await self._killed()

    async def _killed(self) -> ChildEnded:
        self.kill()
        return ChildEnded(self.name, await self.wait(), was_ready=self._was_ready, hung=True)

    def _ended(self, code: int) -> ChildEnded:
        # What it had started must not outlive it: it would hold the port, or the device.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return ChildEnded(self.name, code, was_ready=self._was_ready)

    async def _message(self) -> Message | None:
        """Return the child's next message, or None when it has closed its ready_fd."""
        line = await self._messages.readline()
        if not line.endswith(b"\n"):
            return None
        message: Message = json.loads(line)
        return message

    async def wait(self) -> int:
        """Return the exit code, negative for a signal, once the process has ended."""
        return await self._process.wait()

    async def stop(self, *, limit_s: float) -> int:
        """Ask the process to drain and end; kill it after the limit. Return its exit code."""
        if not self.has_ended:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(limit_s):
                return await self.wait()
        except TimeoutError:
            self.kill()
            return await self.wait()

    def kill(self) -> None:
        """Kill the process and what it started, at once."""
        if not self.has_ended:
            lifeline.kill_group(self._process.pid)


def describe_exit(code: int) -> str:
    """Return how a process ended, as the end of a sentence that begins with its name."""
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    return reader
