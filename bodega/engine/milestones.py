"""How far an answer had got when. Readings of the monotonic clock, in seconds."""

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Milestones:
    """When an answer got how far, as far as it has.

    Attributes:
        submitted_s: when it was taken in.
        started_s: when it first got its turn.
        first_s: when its first token came.
        last_s: when its latest token came.
    """

    submitted_s: float
    started_s: float | None = None
    first_s: float | None = None
    last_s: float | None = None

    def turn_came(self, at_s: float) -> None:
        """Note its turn; only the first one counts."""
        if self.started_s is None:
            self.started_s = at_s

    def token_came(self, at_s: float) -> None:
        """Note a token."""
        if self.first_s is None:
            self.first_s = at_s
        self.last_s = at_s

    @property
    def queue_s(self) -> float:
        """How long it waited for its turn; 0 until that has come."""
        return _between(self.submitted_s, self.started_s)

    @property
    def prefill_s(self) -> float:
        """How long it took from its turn to its first token; 0 until that has come."""
        return _between(self.started_s, self.first_s)

    @property
    def decode_s(self) -> float:
        """How long it took from its first token to its latest; 0 until there are two."""
        return _between(self.first_s, self.last_s)


def _between(begin_s: float | None, end_s: float | None) -> float:
    if begin_s is None or end_s is None:
        return 0.0
    return max(0.0, end_s - begin_s)
