"""Have a server load a model, where the user sees how far it is."""

from typing import Any, Final

import click
from bodega_api.v1 import admin_pb2

from bodega.cli.progress import ShownProgress
from bodega.cli.server import Server
from bodega.client import Client
from bodega.config import AUTO_PARSER, DEMO_MODEL, default_home

CURRENT: Final = "current"
"""The name that means the loaded model, whichever it is."""

_PATH_BEGINS: Final = ("/", "./", "../", "~")


def load_model(
    server: Server, client: Client, named: str, **how: Any
) -> admin_pb2.LoadModelResponse:
    """Load a model and return how that went, and show on standard error how far it is.

    Args:
        server: the one that is to load it.
        client: a client of it.
        named: the model's id, or a folder, which may be relative to where the user is.
        how: fields of the load request.
    """
    if server.is_near and named == DEMO_MODEL:
        from bodega.hub.demo import fetch_demo

        fetch_demo(default_home())
    how = {"reasoning_parser": AUTO_PARSER, "tool_call_parser": AUTO_PARSER, **how}
    try:
        with ShownProgress(named, quiet=server.as_json) as shown:
            return client.load(_told(server, named), on_progress=shown.load, **how)
    except KeyboardInterrupt:
        click.echo("The load goes on in the server.", err=True)
        raise


def is_loaded(server: Server, client: Client, named: str) -> bool:
    """Return whether a model is the loaded one."""
    info = client.current()
    if named == CURRENT or info is None:
        return named == CURRENT
    return _told(server, named) in (info.model_id, info.model_path)


def _told(server: Server, named: str) -> str:
    """Return a model's name as the server is to be told it: a folder may be the user's own."""
    return server.path(named) if named.startswith(_PATH_BEGINS) else named
