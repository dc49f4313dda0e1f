"""The service of models, of a running server or, where none runs, of a core of this process.

Models are listed, shown, fetched, imported and removed in the same way with and without a server.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from bodega.cli.server import Server
from bodega.client import UNREACHABLE, CallError, Client

_ANSWER_S: Final = 5.0
"""How long it may take a server to say that it is there."""


@dataclass(frozen=True, slots=True)
class ModelsServer:
    """What serves models to a command.

    Attributes:
        client: calls it.
        runs_on: whether it goes on when the command ends.
    """

    client: Client
    runs_on: bool


@contextmanager
def models_server(server: Server, *, with_device: bool = False) -> Iterator[ModelsServer]:
    """Yield the running server or, where none runs, a core of this process.

    A server that the user named must run.

    Args:
        server: the running one, if it runs.
        with_device: whether a core of this process is to set MLX up.
    """
    if runs(server):
        with server.connect() as client:
            yield ModelsServer(client, runs_on=True)
        return
    from bodega.cli.own_core import own_core

    with own_core(with_device=with_device) as address, Client(address) as client:
        yield ModelsServer(client, runs_on=False)


def runs(server: Server) -> bool:
    """Return whether the server runs; one that the user named must.

    Raises:
        CallError: it was named and does not, or something else is there.
    """
    with Client(server.address, token=server.token, timeout_s=_ANSWER_S) as client:
        try:
            client.health()
        except CallError as error:
            if error.code != UNREACHABLE or server.is_chosen:
                raise
            return False
    return True
