"""Where the servers may listen, and what they say when they cannot."""

import errno
import ipaddress
import os
import socket
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

_ANSWER_S = 1.0
_PORT_TRIES = 16


class ListenError(Exception):
    """A server cannot listen where it was told to. The message is one line for its operator."""


def check_host(host: str, *, has_token: bool) -> None:
    """Refuse a host that strangers can reach, unless a token keeps them out.

    Raises:
        ListenError: it is none of the loopback's, and there is no token.
    """
    if not has_token and not is_loopback(host):
        raise ListenError(
            f"'{host}' can be reached from other machines, and that needs a token to tell users "
            "from strangers: --token-file FILE, the variable BODEGA_TOKEN, or --token TEXT. "
            "Without one only localhost, 127.0.0.1 and ::1 can be listened on."
        )


def is_loopback(host: str) -> bool:
    """Tell whether a host is the name ``localhost`` or a loopback address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def addresses(host: str, *, has_token: bool = False) -> list[str]:
    """Return the addresses that a host stands for: ``localhost`` is IPv4, and IPv6.

    Raises:
        ListenError: strangers can reach the host and there is no token, or it is no name or
            address of this machine.
    """
    check_host(host, has_token=has_token)
    if host.lower() == "localhost":
        return ["127.0.0.1", "::1"] if _can_bind("::1") else ["127.0.0.1"]
    found = _resolve(host)
    if not found or not all(map(_can_bind, found)):
        raise ListenError(f"'{host}' is no address of this machine.")
    return found


def free_port(addresses: Sequence[str]) -> int:
    """Return a TCP port that is free on all of some addresses, as far as a look can tell.

    Raises:
        ListenError: none was found.
    """
    for _ in range(_PORT_TRIES):
        with ExitStack() as probes:
            port = 0
            try:
                for address in addresses:
                    probe = probes.enter_context(socket.socket(_family(address)))
                    probe.bind((address, port))
                    port = probe.getsockname()[1]
            except OSError:
                continue  # a free port of the first address may be taken on the second
            return port
    raise ListenError(f"No port is free on all of {', '.join(addresses)}.")


def port_taken(port: int, flag: str) -> ListenError:
    """Return the error of a TCP port that another program has."""
    return ListenError(f"Port {port} is in use by another program. {flag} chooses another.")


def claim_socket(path: Path) -> None:
    """Make room for a unix socket: remove what a dead server left there.

    Raises:
        ListenError: a live server answers there, or the path is something other than a socket.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenError(f"'{path}' exists and is no socket. --socket chooses another.")
    if answers(path):
        raise ListenError(f"A server is listening on '{path}'. --socket chooses another.")
    path.unlink(missing_ok=True)


def _resolve(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _can_bind(address: str) -> bool:
    try:
        with socket.socket(_family(address)) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def answers(path: Path) -> bool:
    """Tell whether a live server has a unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_ANSWER_S)
        code = probe.connect_ex(os.fspath(path))
    return code not in {errno.ECONNREFUSED, errno.ENOENT}
