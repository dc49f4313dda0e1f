"""What the time of an answer went to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from bodega.engine.milestones import Milestones


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """What the time of an answer went to.

    Attributes:
        queue_s: waiting for its turn.
        prefill_s: from its turn to the first token.
        decode_s: from the first token to the last.
        tokens_per_second: of decoding; 0 where there was no second token.
    """

    queue_s: float
    prefill_s: float
    decode_s: float
    tokens_per_second: float

    @classmethod
    def of(cls, milestones: Sequence[Milestones], *, tokens: int) -> Self:
        """Return what the milestones of its choices tell of an answer of some tokens.

        They are taken together: the first turn, the first token and the last of any.
        """
        together = _together(milestones)
        decode_s = together.decode_s
        return cls(
            queue_s=together.queue_s,
            prefill_s=together.prefill_s,
            decode_s=decode_s,
            tokens_per_second=(tokens - 1) / decode_s if tokens > 1 and decode_s > 0 else 0.0,
        )


def first_token_s(milestones: Sequence[Milestones]) -> float | None:
    """Return when the first token of any choice came, by the monotonic clock."""
    return _together(milestones).first_s


def _together(milestones: Sequence[Milestones]) -> Milestones:
    if len(milestones) == 1:
        return milestones[0]
    return Milestones(
        submitted_s=min((one.submitted_s for one in milestones), default=0.0),
        started_s=min((s for one in milestones if (s := one.started_s) is not None), default=None),
        first_s=min((s for one in milestones if (s := one.first_s) is not None), default=None),
        last_s=max((s for one in milestones if (s := one.last_s) is not None), default=None),
    )
