"""``bodega core``: the gRPC services and the engine alone."""

from typing import Any

import click

from bodega import lifeline, platform
from bodega.cli.demo import fetch_if_demo
from bodega.cli.options import (
    LOAD_SETTINGS,
    auto_load_parameters,
    load_parameters,
    with_descriptors,
    with_settings,
)
from bodega.cli.process import keep_to_this_process, leave, remove_abandoned, run_server
from bodega.cli.token import guarding_token
from bodega.config import CoreConfig


@click.command(
    epilog="On Linux without a GPU, BODEGA_BLAS names the BLAS library to compute with, or is "
    "'off'; without it the best one of the machine is taken."
)
@with_settings(
    *LOAD_SETTINGS,
    *("host", "grpc_port", "socket", "state_file", "token", "token_file"),
    *("allow_remote_code", "auto_load", "log_format"),
    aliases={"grpc_port": "--port"},
)
@with_descriptors
def core(**settings: Any) -> None:
    """Serve gRPC alone, without HTTP."""
    config = CoreConfig(
        host=settings["host"],
        port=settings["grpc_port"],
        socket=settings["socket"],
        load=load_parameters(settings),
        state_file=settings["state_file"],
        token=guarding_token(settings),
        allow_remote_code=settings["allow_remote_code"],
        auto_load=auto_load_parameters(settings),
        log_format=settings["log_format"],
        ready_fd=settings["ready_fd"],
        parent_fd=settings["parent_fd"],
    )
    _preload_blas()
    keep_to_this_process(config.ready_fd)
    if config.parent_fd is None:
        fetch_if_demo(config.load)
    code = run_server("bodega.rpc.server", config)
    if lifeline.is_cut(config.parent_fd) and config.socket is not None:
        remove_abandoned(config.socket)
    leave(code)


def _preload_blas() -> None:
    try:
        platform.preload_blas()
    except ValueError as error:
        raise click.ClickException(str(error)) from error
