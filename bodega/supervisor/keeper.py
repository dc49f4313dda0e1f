"""One child through all its lives: started, followed, and started again when it ends or hangs."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import NoReturn

from bodega import limits
from bodega.supervisor.child import Child, ChildEnded, Heard, Message
from bodega.supervisor.restart import RestartPolicy

logger = logging.getLogger(__name__)


class GaveUp(Exception):
    """A child ended again and again before it listened."""


class Keeper:
    """Keeps one child running.

    Attributes:
        name: what the child is called in messages.
        child: the one that lives now, or the latest; None before the first.
        restarts: how often another one has taken its place.
    """

    def __init__(
        self,
        name: str,
        *,
        command: Sequence[str],
        environment: Mapping[str, str],
        parent_fd: int,
        hang_limit_s: float,
    ) -> None:
        """Make one without a child.

        Args:
            name: what the child is called in messages.
            command: the program, without its arguments.
            environment: its variables.
            parent_fd: the reading end of the lifeline.
            hang_limit_s: silence after which the child is killed.
        """
        self.name = name
        self.child: Child | None = None
        self.restarts = 0
        self._command = command
        self._environment = environment
        self._parent_fd = parent_fd
        self._hang_limit_s = hang_limit_s
        self._born_s = 0.0

    async def start(self, arguments: Sequence[str]) -> Message:
        """Start the child and return its first message, which tells where it listens.

        Raises:
            ChildEnded: it ended before.
        """
        self._born_s = time.monotonic()
        command = [*self._command, *arguments]
        self.child = await Child.start(
            self.name, command, environment=self._environment, parent_fd=self._parent_fd
        )
        return await self.child.ready(limit_s=limits.START_LIMIT_S)

    async def keep(self, arguments: Sequence[str], heard: Heard) -> NoReturn:
        """Follow the child, and those that take its place.

        Args:
            arguments: what they are started with.
            heard: called with what each of them tells.

        Raises:
            GaveUp: none of them listens any more.
            Exception: what ``heard`` raises.
        """
        policy = RestartPolicy()
        while True:
            assert self.child is not None
            try:
                await self.child.follow(heard, hang_limit_s=self._hang_limit_s)
            except ChildEnded as ended:
                await self._start_again(ended, arguments, policy)

    async def _start_again(
        self, ended: ChildEnded, arguments: Sequence[str], policy: RestartPolicy
    ) -> None:
        while True:
            lived_s = time.monotonic() - self._born_s
            wait_s = policy.wait_s(lived_s=lived_s, was_ready=ended.was_ready)
            if wait_s is None:
                raise GaveUp(f"{ended} It does not start any more; the server ends.")
            logger.error("%s It is started again in %.1f s.", ended, wait_s)
            await asyncio.sleep(wait_s)
            self.restarts += 1
            try:
                await self.start(arguments)
            except ChildEnded as again:
                ended = again
            else:
                logger.info("the %s is back", self.name)
                return
