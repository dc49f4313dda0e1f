"""Kills in an order that a seed draws: whatever dies, chats are answered soon after.

BODEGA_CHAOS_KILLS and BODEGA_CHAOS_SEED choose how many, and which.
"""

import os
import random
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from tests.end_to_end.processes import pid_of, signal_to
from tests.end_to_end.requests_in_flight import answers, endless, error_of
from tests.end_to_end.server import Server, serve
from tests.end_to_end.waiting import wait_until
from tests.models import TINY_CHAT

KILLS = int(os.environ.get("BODEGA_CHAOS_KILLS", "8"))
SEED = int(os.environ.get("BODEGA_CHAOS_SEED", "4"))
SECONDS_A_KILL = 30


class Chaos:
    """A server and what is done to it; each kill returns how many processes it cost."""

    def __init__(self, seed: int, home: Path) -> None:
        self.draw = random.Random(seed)
        self.kills = {
            "core": self.core,
            "core twice": self.core_twice,
            "gateway": self.gateway,
            "both": self.both,
            "supervisor": self.supervisor,
        }
        self._home = home
        self._running = ExitStack()
        self.server = self._start()

    def _start(self) -> Server:
        return self._running.enter_context(
            serve(
                *("--model", str(TINY_CHAT), "--hang-limit", "6"),
                home=self._home,
                env={"TMPDIR": str(self._home / "t")},
            )
        )

    def core(self) -> int:
        """Kill the core in the middle of a stream, whose client is told."""
        with endless(self.server) as lines:
            for _ in range(self.draw.randrange(1, 20)):
                next(lines)
            number = self.draw.choice((signal.SIGKILL, signal.SIGABRT, signal.SIGSTOP))
            signal_to(self.server, "core", number)
            assert error_of(lines)["code"] == "core_unavailable"
        return 1

    def core_twice(self) -> int:
        """Kill the core, and the next one as soon as it is there."""
        first = signal_to(self.server, "core", signal.SIGKILL)
        wait_until(lambda: pid_of(self.server, "core") not in (None, first))
        signal_to(self.server, "core", signal.SIGKILL)
        return 2

    def gateway(self) -> int:
        """Kill the gateway in the middle of a stream."""
        with endless(self.server) as lines:
            next(lines)
            number = self.draw.choice((signal.SIGKILL, signal.SIGABRT, signal.SIGSTOP))
            signal_to(self.server, "gateway", number)
            with pytest.raises(requests.RequestException):
                list(lines)
        return 1

    def both(self) -> int:
        """Kill both children, in either order."""
        names = ["core", "gateway"]
        self.draw.shuffle(names)
        for name in names:
            signal_to(self.server, name, signal.SIGKILL)
        return 2

    def supervisor(self) -> int:
        """Kill the supervisor, sometimes with a child, and start another server."""
        also = self.draw.choice(["core", "gateway", None])
        if also is not None:
            self.server.send(signal.SIGSTOP)
            signal_to(self.server, also, signal.SIGKILL)
        self.server.send(signal.SIGKILL)
        assert self.server.end() == -signal.SIGKILL
        self.server = self._start()
        return 1 if also is None else 2


@pytest.mark.timeout(60 + KILLS * SECONDS_A_KILL)
def test_whatever_is_killed_chats_are_answered_again_and_nothing_is_left() -> None:
    with tempfile.TemporaryDirectory(prefix="b-") as folder:
        temporary = Path(folder, "t")
        temporary.mkdir()
        chaos = Chaos(SEED, Path(folder))
        killed = 0
        while killed < KILLS:
            name = chaos.draw.choice(list(chaos.kills))
            killed += chaos.kills[name]()
            print(f"killed {killed}: {name}")  # shown if the test fails
            wait_until(lambda: answers(chaos.server))
            assert len(list(temporary.glob("bodega-*"))) == 1
        assert chaos.server.stop() == 0
        assert not list(temporary.glob("bodega-*"))
