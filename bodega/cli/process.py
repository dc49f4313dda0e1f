"""What the commands that run a server have in common."""

import logging
import os
import resource
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from bodega import log
from bodega.config import TOKEN_VARIABLE, CoreConfig, GatewayConfig
from bodega.listen import ListenError

_DESCRIPTORS = 16_384

logger = logging.getLogger(__name__)


def run_server(module: str, config: CoreConfig | GatewayConfig) -> int:
    """Run the server of a module, imported only now, and return the exit code of the process.

    Logging is set up first: gRPC reads the environment for it when it is imported.

    One that cannot listen where it should says so in one line, and the code is 1.
    """
    log.setup(config.log_format)
    _take_descriptors()
    # It is read; nothing that this process starts needs it.
    os.environ.pop(TOKEN_VARIABLE, None)
    try:
        code: int = import_module(module).run(config)
    except ListenError as error:
        logger.error("%s", error)  # noqa: TRY400 - one line says it
        return 1
    return code


def _take_descriptors() -> None:
    """Let this process open many files: each connection is one, and macOS gives 256."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if most == resource.RLIM_INFINITY else min(_DESCRIPTORS, most)
    if now == resource.RLIM_INFINITY or now >= wanted:
        return
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def leave(code: int) -> NoReturn:
    """End this process, which has closed everything, without taking the interpreter down.

    gRPC's threads outlive the loop they served and may be inside the interpreter when it goes,
    which aborts the process.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def remove_abandoned(socket: Path) -> None:
    """Do what the supervisor would have done: remove the folder of a socket that is dead now."""
    from bodega.supervisor.folder import remove_if_dead

    remove_if_dead(socket.parent)


def keep_to_this_process(descriptor: int | None) -> None:
    """Keep processes that this one starts from holding a descriptor open."""
    if descriptor is not None:
        os.set_inheritable(descriptor, False)
