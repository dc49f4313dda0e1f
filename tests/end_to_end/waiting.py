"""Waiting for what a server does in its own time."""

import time
from collections.abc import Callable

WAIT_S = 60.0


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; each look asks the server, which paces the loop."""
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end, f"did not hold within {WAIT_S:.0f} s"
