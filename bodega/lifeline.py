"""End this process when the one that started it is gone, however that one ended.

The parent keeps the writing end of a pipe and never writes. The child holds the reading end:
when it closes, the parent is dead, by SIGKILL too. This works alike on Linux and macOS.
"""

import os
import select
import signal
import threading
import time

from bodega import limits


def watch(parent_fd: int | None, *, drain_s: float = limits.SHUTDOWN_DRAIN_S) -> None:
    """Watch the pipe from a thread: send this process SIGTERM when it closes, later SIGKILL.

    Args:
        parent_fd: the reading end of the parent's pipe; None where there is no parent to watch.
        drain_s: seconds between the two signals.
    """
    if parent_fd is not None:
        os.set_inheritable(parent_fd, False)
        arguments = (parent_fd, drain_s)
        threading.Thread(target=_wait, args=arguments, name="lifeline", daemon=True).start()


def is_cut(parent_fd: int | None) -> bool:
    """Tell whether there was a parent and it is gone."""
    return parent_fd is not None and bool(select.select([parent_fd], [], [], 0)[0])


def _wait(parent_fd: int, drain_s: float) -> None:
    while os.read(parent_fd, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(drain_s)
    kill_group(os.getpid())


def kill_group(pid: int) -> None:
    """Kill a process, and with it the processes it started if it leads a group of its own."""
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
