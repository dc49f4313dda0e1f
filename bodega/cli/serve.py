"""``bodega serve``: the whole server."""

from typing import Any

import click

from bodega import log
from bodega.cli.demo import fetch_if_demo
from bodega.cli.options import LOAD_SETTINGS, auto_load_parameters, load_parameters, with_settings
from bodega.cli.token import guarding_token
from bodega.config import ServeConfig


@click.command()
@with_settings(
    *LOAD_SETTINGS,
    *("host", "port", "grpc_port", "token", "token_file"),
    *("allow_host", "allow_origin", "allow_remote_code", "auto_load", "hang_limit", "log_format"),
)
@click.pass_context
def serve(context: click.Context, /, **settings: Any) -> None:
    """Serve HTTP and gRPC on this machine, until Ctrl-C."""
    config = ServeConfig(
        host=settings["host"],
        port=settings["port"],
        grpc_port=settings["grpc_port"],
        load=load_parameters(settings),
        hang_limit_s=settings["hang_limit"],
        allow_remote_code=settings["allow_remote_code"],
        auto_load=auto_load_parameters(settings),
        allow_hosts=settings["allow_host"],
        allow_origins=settings["allow_origin"],
        token=guarding_token(settings),
        log_format=settings["log_format"],
    )
    log.setup(config.log_format)
    fetch_if_demo(config.load)
    from bodega import supervisor

    context.exit(supervisor.run(config))
