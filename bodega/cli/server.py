"""Which server a command calls, and what all commands that call one have in common."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from bodega.cli.options import with_settings
from bodega.cli.settings import SETTINGS
from bodega.cli.token import read_token
from bodega.cli.value_types import core_address

if TYPE_CHECKING:
    from bodega.client import Client

_LOOPBACK: Final = ("localhost:", "127.", "[::1]:", "unix:")

_CHOSEN: Final = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
"""A settings file says where a server usually is."""

CLIENT_SETTINGS: Final = {
    "core": replace(SETTINGS["core"], type=core_address, help="gRPC address of the server to ask."),
    "token": replace(
        SETTINGS["token"],
        help="The server's token. Other users of this machine can read a flag; the variable and "
        "the file they cannot.",
    ),
    "token_file": replace(SETTINGS["token_file"], help="File with the server's token."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server that a command calls.

    Attributes:
        address: where it is.
        token: what it wants to be shown; None without one.
        is_chosen: whether the user said where it is, so that it has to be there.
        as_json: print one JSON value instead of what is made for reading.
    """

    address: str
    token: str | None = field(repr=False)
    is_chosen: bool
    as_json: bool

    @property
    def is_near(self) -> bool:
        """Whether it is on this machine, as far as its address tells."""
        return self.address.startswith(_LOOPBACK)

    def path(self, given: str) -> str:
        """Return a path that the user gave as the server is to be told it.

        It may be relative to where the user is, if the server is on this machine.
        """
        if not self.is_near:
            return given
        try:
            return str(Path(given).expanduser().absolute())
        except RuntimeError:  # the home of a user who is not known, which the server refuses
            return given

    def connect(self) -> "Client":
        """Return a client of it."""
        from bodega.client import Client

        return Client(self.address, token=self.token)


def client_command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the settings of a client, and ``--json``.

    It is called with a Server as its first argument. What fails is told in one place, and ends
    with the exit code that means it.
    """

    @with_settings(*CLIENT_SETTINGS, settings=CLIENT_SETTINGS)
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
    @click.pass_context
    @wraps(function)
    def run(context: click.Context, /, **arguments: Any) -> None:
        server = _server(context, arguments)
        # gRPC reads it when it is imported, and writes lines of a form of its own.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        from bodega.cli.failures import told_failures

        with told_failures(as_json=server.as_json):
            function(server, **arguments)

    return run


def _server(context: click.Context, arguments: dict[str, Any]) -> Server:
    token: str | None = arguments.pop("token")
    file: Path | None = arguments.pop("token_file")
    return Server(
        address=arguments.pop("core"),
        token=read_token(token, file),
        is_chosen=context.get_parameter_source("core") in _CHOSEN,
        as_json=arguments.pop("as_json"),
    )
