"""How the CPU time of a server is told apart."""

import subprocess
import sys

import pytest

from bench import cpu
from bench.cpu import ENGINE, Thread
from bench.errors import NotHereError

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")

# Its child burns CPU, then says so and waits.
CHILD = """
import time
while time.process_time() < 0.2: pass
print(1, flush=True)
input()
"""
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}, 'gateway'])"


def thread(tid: int, cpu_s: float, *, role: str = "core", name: str = "python") -> Thread:
    return Thread(role=role, pid=10 if role == "core" else 90, tid=tid, name=name, cpu_s=cpu_s)


def test_time_is_told_by_what_it_was_spent_in() -> None:
    before = [thread(10, 1.0), thread(11, 5.0), thread(12, 1.0, name=ENGINE)]
    after = [
        thread(10, 1.5),
        thread(11, 5.25),
        thread(12, 3.0, name=ENGINE),
        thread(13, 4.0, name=ENGINE),
        thread(14, 0.5, name=ENGINE),
        thread(90, 0.75, role="gateway"),
        thread(91, 0.25, role="gateway"),
        thread(70, 9.0, role="other"),
    ]
    spent = cpu.parts(before, after)
    assert spent == cpu.Parts(
        engine_s=2.0, mlx_s=4.0, core_loop_s=0.5, core_other_s=0.75, gateway_s=1.0
    )
    assert spent.total_s == 8.25


def test_a_server_without_an_engine_thread_is_not_told_apart() -> None:
    with pytest.raises(NotHereError, match="no engine thread"):
        cpu.parts([], [thread(10, 1.0)])


@linux
def test_processes_that_a_server_started_count() -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with server:
        assert server.stdout is not None
        server.stdout.readline()
        threads = cpu.threads(server.pid)
        server.communicate(b"\n")
    assert {each.role for each in threads} == {"other", "gateway"}
    assert sum(each.cpu_s for each in threads if each.role == "gateway") >= 0.15


@linux
def test_a_server_that_has_ended_has_no_threads() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert cpu.threads(ended.pid) == []
