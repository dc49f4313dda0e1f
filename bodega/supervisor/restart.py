"""When a child that died is started again. Pure: no clock, no process."""

from dataclasses import dataclass

from bodega import limits


@dataclass(slots=True, kw_only=True)
class RestartPolicy:
    """Waits longer from death to death, and gives up on a child that never gets ready.

    Attributes:
        first_s: wait after the first death.
        most_s: longest wait.
        steady_s: life after which the deaths before count no more.
        failed_starts: starts in a row that may fail.
    """

    first_s: float = limits.FIRST_RESTART_S
    most_s: float = limits.MAX_RESTART_S
    steady_s: float = limits.STEADY_S
    failed_starts: int = limits.MAX_FAILED_STARTS
    _deaths: int = 0
    _failed: int = 0

    def wait_s(self, *, lived_s: float, was_ready: bool) -> float | None:
        """Return how long to wait after a death, or None to give up.

        Args:
            lived_s: time since the child was started.
            was_ready: whether it ever listened.
        """
        self._failed = 0 if was_ready else self._failed + 1
        if self._failed >= self.failed_starts:
            return None
        self._deaths = 1 if was_ready and lived_s >= self.steady_s else self._deaths + 1
        # The exponent is bounded, so that a long row of deaths makes no huge number.
        return min(self.most_s, self.first_s * 2.0 ** min(self._deaths - 1, 32))
