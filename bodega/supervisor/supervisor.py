"""Start core and gateway, keep them running, and end them in order.

The core starts first, because the gateway is of no use without it. They end the other way
round: the gateway drains its streams while the core still answers. At the start a child that
cannot listen, and a model that cannot be loaded, end the server: its operator is there to see
it. From then on a child that dies or hangs is started again, on the same port and socket; what
the core had loaded it finds in its state file.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from bodega import limits
from bodega.config import CoreConfig, GatewayConfig, ServeConfig
from bodega.supervisor.announce import Announcer
from bodega.supervisor.child import ChildEnded, Message, describe_exit
from bodega.supervisor.command import BODEGA, child_environment, core_arguments, gateway_arguments
from bodega.supervisor.folder import SOCKET_NAME, STATE_NAME, private_folder
from bodega.supervisor.keeper import GaveUp, Keeper
from bodega.supervisor.signals import StopSignals, stop_signals

logger = logging.getLogger(__name__)

_STOP_LIMIT_S: Final = limits.SHUTDOWN_DRAIN_S + 5.0
"""How long a child may take to end: its drain, and some time to close."""


_ENDED_WELL: Final = {0, -signal.SIGTERM}
"""Exit codes of a child that was asked to end, the second while it was still starting."""


class LoadFailed(Exception):
    """The model that the server was started with cannot be loaded."""


def run(config: ServeConfig, *, command: Sequence[str] = BODEGA) -> int:
    """Serve until a signal or a failure, and return the exit code.

    Args:
        config: what to serve, and where.
        command: the program that is both children, without its arguments.
    """
    return asyncio.run(_run(config, command))


async def _run(config: ServeConfig, command: Sequence[str]) -> int:
    with stop_signals() as signals, private_folder() as folder, _lifeline() as parent_fd:
        supervisor = Supervisor(config, command=command, folder=folder, parent_fd=parent_fd)
        return await supervisor.run(signals)


class Supervisor:
    """The two children of one `bodega serve`.

    Args:
        config: what to serve, and where.
        command: the program that is both children, without its arguments.
        folder: where the socket between them goes, and the core's state.
        parent_fd: the reading end of the lifeline.
    """

    def __init__(
        self, config: ServeConfig, *, command: Sequence[str], folder: Path, parent_fd: int
    ) -> None:
        self._config = config
        self._announcer = Announcer(
            log_format=config.log_format, has_token=config.token is not None
        )
        self._core, self._gateway = self._keepers = tuple(
            Keeper(
                name,
                command=command,
                environment=child_environment(token=config.token),
                parent_fd=parent_fd,
                hang_limit_s=config.hang_limit_s,
            )
            for name in ("core", "gateway")
        )
        self._core_config = CoreConfig(
            host=config.host,
            port=config.grpc_port,
            socket=folder / SOCKET_NAME,
            load=config.load,
            state_file=folder / STATE_NAME,
            allow_remote_code=config.allow_remote_code,
            auto_load=config.auto_load,
            token=config.token,
            log_format=config.log_format,
        )
        self._gateway_config = GatewayConfig(
            host=config.host,
            port=config.port,
            core=f"unix:{folder / SOCKET_NAME}",
            allow_hosts=config.allow_hosts,
            allow_origins=config.allow_origins,
            token=config.token,
            log_format=config.log_format,
        )
        self._http = ""
        self._has_loaded = False

    async def run(self, signals: StopSignals) -> int:
        """Serve until a signal or a failure, and return the exit code."""
        serving = asyncio.create_task(self._serve())
        await _until(serving, signals.first)
        failed = serving.done()
        if failed:
            _tell(serving.exception())
        else:
            logger.info("ending: requests that run may finish; a second signal ends them now")
        serving.cancel()
        await asyncio.wait({serving})
        return await self._end(signals, failed=failed)

    async def _serve(self) -> None:
        core = await self._core.start(core_arguments(self._core_config))
        gateway = await self._gateway.start(gateway_arguments(self._gateway_config))
        self._http = gateway["http"]
        self._announcer.listening(core=core, gateway=gateway)
        if self._config.load is None:
            self._announcer.no_model(http=self._http)
        else:
            self._announcer.loading(self._config.load.model_path)
        await self._keep(core_port=core["port"], gateway_port=gateway["port"])

    async def _keep(self, *, core_port: int, gateway_port: int) -> None:
        """Keep both children at the ports they have; ends by failing only."""
        # What to load the state file says from now on.
        core = core_arguments(replace(self._core_config, port=core_port, load=None))
        gateway = gateway_arguments(replace(self._gateway_config, port=gateway_port))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._core.keep(core, self._hear_core))
                tasks.create_task(self._gateway.keep(gateway, lambda _: None))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    def _hear_core(self, message: Message) -> None:
        if "load_failed" in message and not self._core.restarts:
            raise LoadFailed(message["load_failed"])
        if "loaded" not in message:
            return
        if self._has_loaded or self._config.load is None:
            logger.info("loaded again", extra={"fields": {"model": message["loaded"]}})
        else:
            self._announcer.loaded(message, http=self._http)
        self._has_loaded = True

    async def _end(self, signals: StopSignals, *, failed: bool) -> int:
        ending = asyncio.create_task(self._stop_children())
        await _until(ending, signals.second)
        if not ending.done():
            for keeper in self._keepers:
                if keeper.child is not None:
                    keeper.child.kill()
            await asyncio.wait({ending})
            return 128 + signals.last
        return 1 if failed or not ending.result() else 0

    async def _stop_children(self) -> bool:
        """End the children, the latest first, and tell whether those that still ran ended well."""
        well = True
        for keeper in reversed(self._keepers):
            child = keeper.child
            if child is None or child.has_ended:
                continue
            code = await child.stop(limit_s=_STOP_LIMIT_S)
            if code not in _ENDED_WELL:
                well = False
                logger.warning(
                    "while it was asked to end, the %s %s", child.name, describe_exit(code)
                )
        return well


async def _until(task: asyncio.Task[Any], event: asyncio.Event) -> None:
    """Wait until a task is done or an event is set."""
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


def _tell(error: BaseException | None) -> None:
    """Log why the server ends by itself."""
    if isinstance(error, LoadFailed):
        return  # The core has said why.
    if isinstance(error, GaveUp):
        logger.error("%s", error)
        return
    if isinstance(error, ChildEnded):
        # One that ends with 1 while it starts has said why itself.
        if error.was_ready or error.code != 1:
            logger.error("%s", error)
    else:
        logger.error("the supervisor failed", exc_info=error)


@contextmanager
def _lifeline() -> Iterator[int]:
    """Hold a pipe open as long as this process lives, and give its reading end to children."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)
