"""What the processes of a server hold: memory, descriptors, threads and tasks."""

import os
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.processes import pid_of
from tests.end_to_end.server import Server
from tests.end_to_end.waiting import wait_until

TASKS_TOLD = Path(__file__).parent / "tasks_told"
NAMES = ("core", "gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What one process holds."""

    memory_bytes: int
    descriptors: int
    threads: int
    tasks: int

    def is_within(self, other: "Footprint", *, spare: int) -> bool:
        """Return whether this is no more than another and something to spare, memory aside."""
        return (
            self.descriptors <= other.descriptors + spare
            and self.threads <= other.threads + spare
            and self.tasks <= other.tasks + spare
        )


class Footprints:
    """Looks at the core and the gateway of one server, on Linux.

    Attributes:
        environment: what the server has to be started with.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.environment = {"PYTHONPATH": str(TASKS_TOLD), "TASKS_TOLD_IN": str(folder)}

    def of(self, server: Server) -> dict[str, Footprint]:
        """Return the footprint of each process by its name."""
        return {name: self._of(server, name) for name in NAMES}

    def _of(self, server: Server, name: str) -> Footprint:
        pid = pid_of(server, name)
        assert pid is not None
        process = Path("/proc", str(pid))
        found = re.search(r"VmRSS:\s+([0-9]+) kB", (process / "status").read_text())
        assert found is not None
        return Footprint(
            memory_bytes=int(found[1]) * 1024,
            descriptors=len(os.listdir(process / "fd")),
            threads=len(os.listdir(process / "task")),
            tasks=self._tasks(pid),
        )

    def _tasks(self, pid: int) -> int:
        told = self._folder / str(pid)
        told.unlink(missing_ok=True)
        os.kill(pid, signal.SIGUSR1)
        wait_until(told.exists)
        return int(told.read_text())


def rise(values: Sequence[float]) -> float:
    """Return how far the line through some values rises, by least squares."""
    middle = (len(values) - 1) / 2
    mean = sum(values) / len(values)
    rises = sum((at - middle) * (value - mean) for at, value in enumerate(values))
    slope = rises / sum((at - middle) ** 2 for at in range(len(values)))
    return slope * (len(values) - 1)
