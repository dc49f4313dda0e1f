"""The server, its model, and the ports that a new one would take."""

import socket
from contextlib import closing
from typing import Final

from bodega_api.v1 import admin_pb2

from bodega.cli.doctor.finding import Finding
from bodega.cli.models_server import runs
from bodega.cli.server import Server
from bodega.client import CallError
from bodega.config import CORE_PORT, GATEWAY_PORT

_CONNECT_S: Final = 2.0


def findings(server: Server) -> list[Finding]:
    """Return whether a server runs and can answer, else whether its ports are free."""
    try:
        if runs(server):
            return _running(server)
    except CallError as error:
        return [
            Finding(name="server", state="wrong", text=error.message, mend="bodega serve"),
            *_ports(),
        ]
    nothing = Finding(
        name="server", state="note", text=f"none at {server.address}", mend="bodega serve"
    )
    return [nothing, *_ports()]


def _running(server: Server) -> list[Finding]:
    with server.connect() as client:
        health = client.health()
    found = Finding(name="server", text=f"runs at {server.address}")
    if health.status == admin_pb2.HEALTH_STATUS_OK:
        return [found, Finding(name="model", text=f"{health.model_id} serves")]
    if health.reason:
        model = Finding(name="model", state="wrong", text=health.reason, mend="bodega load MODEL")
    else:
        model = Finding(name="model", state="note", text="none loaded", mend="bodega load MODEL")
    return [found, model]


def _ports() -> list[Finding]:
    return [
        _port(name, flag, port)
        for name, flag, port in (
            ("HTTP", "--port", GATEWAY_PORT),
            ("gRPC", "--grpc-port", CORE_PORT),
        )
    ]


def _port(name: str, flag: str, port: int) -> Finding:
    with closing(socket.socket()) as connection:
        connection.settimeout(_CONNECT_S)
        taken = connection.connect_ex(("127.0.0.1", port)) == 0
    if taken:
        return Finding(
            name=f"port {port}",
            state="note",
            text=f"{name}: another program has it",
            mend=f"bodega serve {flag} 0",
        )
    return Finding(name=f"port {port}", text=f"{name}: free")
