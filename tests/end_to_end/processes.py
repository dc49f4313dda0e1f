"""The processes of a running server, found as an operator would find them."""

import os
import signal
import subprocess

from tests.end_to_end.server import Server
from tests.end_to_end.waiting import wait_until


def pid_of(server: Server, name: str) -> int | None:
    """Return the process id of the server's ``core`` or ``gateway``, or None between two lives.

    There are never two of one.
    """
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout
    pids = []
    for line in listed.splitlines():
        pid, parent, state, arguments = line.split(None, 3)
        is_ours = int(parent) == server.pid and not state.startswith("Z")
        if is_ours and f"-m bodega {name} " in arguments:
            pids.append(int(pid))
    assert len(pids) <= 1
    return pids[0] if pids else None


def signal_to(server: Server, name: str, number: signal.Signals) -> int:
    """Send a signal to ``core`` or ``gateway``, once there is one, and return its process id."""
    wait_until(lambda: pid_of(server, name) is not None)
    pid = pid_of(server, name)
    assert pid is not None
    os.kill(pid, number)
    return pid
