"""The CPU time of a server's threads, from Linux's /proc."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.errors import NotHereError

ENGINE: Final = "bodega-engine"
"""The engine thread's name. The threads that it starts, MLX's among them, inherit it."""

_PROC: Final = Path("/proc")
_ROLES: Final = (b"core", b"gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A thread, and the time it has had.

    Attributes:
        role: what its process is: core, gateway or another name.
        pid: its process.
        tid: its own number; that of a process's first thread is the process's.
        name: as the system knows it.
        cpu_s: seconds of CPU, of user and system.
    """

    role: str
    pid: int
    tid: int
    name: str
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """CPU seconds of a span of time, by what they were spent in.

    Attributes:
        engine_s: the engine thread.
        mlx_s: the busiest thread that the engine thread started: the one MLX evaluates on.
        core_loop_s: the core's first thread, which runs its event loop.
        core_other_s: the core's others: those of gRPC, of the BLAS library, and of tokenizing.
        gateway_s: all of the gateway.
    """

    engine_s: float
    mlx_s: float
    core_loop_s: float
    core_other_s: float
    gateway_s: float

    @property
    def total_s(self) -> float:
        """All of them together."""
        return self.engine_s + self.mlx_s + self.core_loop_s + self.core_other_s + self.gateway_s


def threads(pid: int) -> list[Thread]:
    """Return the threads of a process and of all that it started.

    Raises:
        NotHereError: this system does not tell.
    """
    if not (_PROC / "self" / "task").is_dir():
        raise NotHereError("only Linux tells the CPU time of each thread")
    return [thread for each in _family(pid) for thread in _threads(each)]


def total_s(pid: int) -> float:
    """Return the CPU seconds of a process and of all that it started.

    Raises:
        NotHereError: this system does not tell.
    """
    return sum(thread.cpu_s for thread in threads(pid))


def parts(before: list[Thread], after: list[Thread]) -> Parts:
    """Return what was spent between two readings.

    Raises:
        NotHereError: there is no engine thread.
    """
    started_s = {thread.tid: thread.cpu_s for thread in before}
    spent_s = {thread.tid: thread.cpu_s - started_s.get(thread.tid, 0.0) for thread in after}
    named = sorted(thread.tid for thread in after if thread.name == ENGINE)
    if not named:
        raise NotHereError("the server has no engine thread that can be told from the others")
    engine, *of_engine = named
    mlx_s = max((spent_s[tid] for tid in of_engine), default=0.0)
    loop = next(
        thread.tid for thread in after if thread.role == "core" and thread.tid == thread.pid
    )
    core_s = _sum_s(after, spent_s, "core")
    return Parts(
        engine_s=spent_s[engine],
        mlx_s=mlx_s,
        core_loop_s=spent_s[loop],
        core_other_s=core_s - spent_s[engine] - mlx_s - spent_s[loop],
        gateway_s=_sum_s(after, spent_s, "gateway"),
    )


def _sum_s(all_threads: list[Thread], spent_s: Mapping[int, float], role: str) -> float:
    return sum(spent_s[thread.tid] for thread in all_threads if thread.role == role)


def _family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    parents = dict(_parents())
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _parents() -> Iterator[tuple[int, int]]:
    for folder in _PROC.iterdir():
        if folder.name.isdecimal() and (fields := _stat(folder)) is not None:
            yield int(folder.name), int(fields[1])


def _threads(pid: int) -> Iterator[Thread]:
    try:
        arguments = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        folders = list((_PROC / str(pid) / "task").iterdir())
    except OSError:
        return  # it has ended
    role = next((each for each in _ROLES if each in arguments), b"other").decode()
    for folder in folders:
        if (fields := _stat(folder)) is not None:
            ticks = int(fields[11]) + int(fields[12])
            yield Thread(
                role=role,
                pid=pid,
                tid=int(folder.name),
                name=_name(folder),
                cpu_s=ticks / os.sysconf("SC_CLK_TCK"),
            )


def _stat(folder: Path) -> list[str] | None:
    """Return the fields after the name, which may hold anything; None if it has ended."""
    try:
        return (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def _name(folder: Path) -> str:
    try:
        return (folder / "comm").read_text(errors="replace").strip()
    except OSError:
        return ""
