"""The TCP sockets of the gateway."""

import errno
import socket

from bodega import limits
from bodega.listen import ListenError, addresses, free_port, port_taken

BACKLOG = 512
"""Connections that may wait to be accepted: a crowd that comes at once."""


def listen(host: str, port: int, *, has_token: bool = False) -> list[socket.socket]:
    """Return sockets that listen on a host; on 127.0.0.1 and ::1 both for ``localhost``.

    Args:
        host: a name or address of this machine.
        port: the port, 0 for one that is free on each address.
        has_token: whether strangers are kept out, so that they may reach the host.

    Raises:
        ListenError: the host needs a token or is not of this machine, or the port is taken.
    """
    names = addresses(host, has_token=has_token)
    port = port or free_port(names)
    sockets: list[socket.socket] = []
    try:
        for address in names:
            sockets.append(_bind(address, port))
    except OSError as error:
        for listener in sockets:
            listener.close()
        raise _told(error, host, port) from None
    return sockets


def _bind(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Accepted connections have it too. Without it Linux would hold megabytes for each.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.SEND_BUFFER_BYTES)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _told(error: OSError, host: str, port: int) -> ListenError:
    if error.errno == errno.EADDRINUSE:
        return port_taken(port, "--port")
    if error.errno == errno.EACCES:
        return ListenError(f"Port {port} needs rights that this program does not have.")
    return ListenError(f"Cannot listen on '{host}', port {port}: {error.strerror}.")
