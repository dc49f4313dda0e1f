"""How much a model was asked and answered: counters for people and programs to read."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

RATE_WINDOW_S = 10.0


@dataclass(slots=True)
class Traffic:
    """Counts of one model's requests since it was loaded."""

    clock: Callable[[], float] = time.monotonic
    total_requests: int = 0
    completed_requests: int = 0
    cancelled_requests: int = 0
    failed_requests: int = 0
    rejected_requests: int = 0
    pauses: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    request_s: float = 1.0
    # One entry a second of the window: (second, tokens).
    _recent: deque[tuple[int, int]] = field(default_factory=deque)

    def generated(self, tokens: int) -> None:
        """Count generated tokens."""
        self.completion_tokens += tokens
        second = int(self.clock())
        if self._recent and self._recent[-1][0] == second:
            self._recent[-1] = (second, self._recent[-1][1] + tokens)
        else:
            self._recent.append((second, tokens))
            self._forget(second)

    def took(self, seconds: float) -> None:
        """Take in how long a request took from its turn to its end (a moving average)."""
        self.request_s += 0.2 * (seconds - self.request_s)

    @property
    def tokens_per_second(self) -> float:
        """Tokens generated a second over the last ten seconds."""
        self._forget(int(self.clock()))
        return sum(tokens for _, tokens in self._recent) / RATE_WINDOW_S

    def _forget(self, second: int) -> None:
        while self._recent and self._recent[0][0] <= second - RATE_WINDOW_S:
            self._recent.popleft()
