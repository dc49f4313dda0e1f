"""Notes what a Python process asks of the network. Python imports this module when it starts."""

import json
import os
import sys
from typing import Any

NOTES = os.environ["NETWORK_NOTES"]
EVENTS = {
    "socket.bind": 1,
    "socket.connect": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyaddr": 0,
    "socket.gethostbyname": 0,
    "socket.sendmsg": 1,
    "socket.sendto": 1,
}
"""Where each event has its address."""


def note(event: str, address: object) -> None:
    """Append a line; one write, so that processes do not mix theirs."""
    line = json.dumps({"pid": os.getpid(), "event": event, "address": address}, default=repr)
    descriptor = os.open(NOTES, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Note an event of the network."""
    if event in EVENTS:
        note(event, arguments[EVENTS[event]])


sys.addaudithook(hook)
note("begin", sys.orig_argv)
