"""What goes wrong with a played hub."""

import threading
from dataclasses import dataclass, field

HOLD_S = 60.0


@dataclass(slots=True, kw_only=True)
class Hold:
    """A place in a file that its transfer stops at.

    Attributes:
        reached: set when all before it has been sent.
        release: to be set to let it go on.
    """

    at: int
    reached: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Say that the place is reached, and wait until released, not for ever."""
        self.reached.set()
        self.release.wait(HOLD_S)


@dataclass(slots=True, kw_only=True)
class Failure:
    """An answer that some requests get.

    Attributes:
        part: what their paths contain.
        times: how many of them yet.
    """

    part: str
    times: int
    status: int
    headers: dict[str, str]


class Faults:
    """What goes wrong. Each fault is used up by the requests that it hits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: list[Failure] = []
        self._truncations: dict[str, list[int]] = {}
        self._damages: dict[str, int] = {}
        self._holds: dict[str, Hold] = {}
        self._without_ranges: set[str] = set()
        self._shifted: set[str] = set()

    def fail(
        self, part: str, *, times: int = 1, status: int = 503, retry_after: str | None = None
    ) -> None:
        """Answer requests whose path contains a text with an error."""
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        self._failures.append(Failure(part=part, times=times, status=status, headers=headers))

    def truncate(self, name: str, *, at: int, times: int = 1) -> None:
        """Close the connection of a file after this byte of it."""
        self._truncations[name] = [at] * times

    def damage(self, name: str, *, times: int = 1) -> None:
        """Change a byte of a file, in every answer that has any of it."""
        self._damages[name] = times

    def hold(self, name: str, *, at: int) -> Hold:
        """Send a file up to a byte, and the rest when released; the first time only."""
        self._holds[name] = Hold(at=at)
        return self._holds[name]

    def ignore_range(self, name: str) -> None:
        """Send all of a file, whatever part was asked for."""
        self._without_ranges.add(name)

    def shift_range(self, name: str) -> None:
        """Send another part of a file than was asked for, the first time only."""
        self._shifted.add(name)

    def failure(self, path: str) -> Failure | None:
        """Take the failure that a request meets."""
        with self._lock:
            for failure in self._failures:
                if failure.part in path and failure.times > 0:
                    failure.times -= 1
                    return failure
        return None

    def take_truncation(self, name: str) -> int | None:
        """Take the byte at which a transfer ends."""
        with self._lock:
            ends = self._truncations.get(name)
            return ends.pop() if ends else None

    def take_damage(self, name: str) -> bool:
        """Take whether a transfer is damaged."""
        with self._lock:
            self._damages[name] = self._damages.get(name, 0) - 1
            return self._damages[name] >= 0

    def take_hold(self, name: str) -> Hold | None:
        """Take the place where a transfer waits."""
        with self._lock:
            return self._holds.pop(name, None)

    def knows_ranges(self, name: str) -> bool:
        """Whether a part of a file can be asked for."""
        return name not in self._without_ranges

    def take_shift(self, name: str) -> int:
        """Take by how many bytes the part is another one."""
        with self._lock:
            if name not in self._shifted:
                return 0
            self._shifted.remove(name)
            return 1

    def release_all(self) -> None:
        """Let go on whatever is held."""
        for hold in self._holds.values():
            hold.release.set()
