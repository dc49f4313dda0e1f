"""``bodega gateway``: HTTP alone, in front of a core that runs elsewhere."""

from pathlib import Path
from typing import Any, Final

import click

from bodega import lifeline
from bodega.cli.options import with_descriptors, with_settings
from bodega.cli.process import keep_to_this_process, leave, remove_abandoned, run_server
from bodega.cli.token import guarding_token
from bodega.config import GatewayConfig

_UNIX: Final = "unix:"


@click.command()
@with_settings(
    *("core", "host", "port", "token", "token_file"),
    *("allow_host", "allow_origin", "log_format"),
)
@with_descriptors
def gateway(**settings: Any) -> None:
    """Serve HTTP in front of a core that runs elsewhere."""
    config = GatewayConfig(
        host=settings["host"],
        port=settings["port"],
        core=settings["core"],
        allow_hosts=settings["allow_host"],
        allow_origins=settings["allow_origin"],
        token=guarding_token(settings),
        log_format=settings["log_format"],
        ready_fd=settings["ready_fd"],
        parent_fd=settings["parent_fd"],
    )
    keep_to_this_process(config.ready_fd)
    code = run_server("bodega.gateway.server", config)
    if lifeline.is_cut(config.parent_fd) and config.core.startswith(_UNIX):
        remove_abandoned(Path(config.core.removeprefix(_UNIX)))
    leave(code)
