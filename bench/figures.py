"""What is measured, and how many measurements become one figure. Plain data and arithmetic."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingFigures:
    """One measurement of the model in the process, without a server.

    Attributes:
        rows: sequences decoded together.
        pinned: whether the process was kept to one core.
        tokens_per_s: output tokens by the seconds from the first prompt to the last token.
        cpu_s: CPU seconds of the process in that time.
        blas: the tuned BLAS that MLX computes with; None for its own, or on a GPU.
    """

    rows: int
    pinned: bool
    seconds: float
    output_tokens: int
    tokens_per_s: float
    cpu_s: float
    blas: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFigures:
    """One measurement of a server under a number of streaming clients.

    Attributes:
        tokens_per_s: output tokens, as the server counted them, by the seconds from the first
            request to the end of the last answer.
        ttft_p50_ms: median time from sending a request to its first text.
        gap_p99_ms: time between two arrivals of text in one stream.
        prompt_tokens_min: tokens of the shortest prompt, as the server counted them.
        client_cores: CPU seconds of the load generator by seconds: what it took of a core.
    """

    clients: int
    requests: int
    seconds: float
    output_tokens: int
    tokens_per_s: float
    ttft_p50_ms: float
    ttft_p95_ms: float
    gap_p99_ms: float
    prompt_tokens_min: int
    prompt_tokens_max: int
    client_cores: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefillFigures:
    """One measurement of prefill and first token in the process, without a server.

    Attributes:
        slice_tokens: the size of slice that was the fastest.
        p50_ms: median time from a prompt to its first token, in slices of that size.
        blas: as in the ceiling's figures.
    """

    slice_tokens: int
    p50_ms: float
    blas: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFigures:
    """One turn of a conversation.

    Attributes:
        ttft_ms: time from sending the request to its first text.
        prompt_tokens: tokens of the whole conversation so far, as the server counted them.
        cached_tokens: how many of them the server had computed before; None if it does not tell.
    """

    ttft_ms: float
    prompt_tokens: int
    cached_tokens: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnsFigures:
    """One measurement of conversations: the turns of each."""

    conversations: list[list[TurnFigures]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StallFigures:
    """One measurement of a stream while a long prompt arrives.

    Attributes:
        longest_gap_ms: between two arrivals of the stream's text, until the long prompt's first.
        ttft_ms: the long prompt's.
        prompt_tokens: the long prompt's, as the server counted them.
    """

    longest_gap_ms: float
    ttft_ms: float
    prompt_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OverheadFigures:
    """One measurement of requests for one token, each from sending it to its whole answer."""

    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of one round, and what it is compared with in that round.

    Attributes:
        label: what it is, and its unit; a round has no two figures of one label.
        value: the figure.
        against: what it is compared with; None if with nothing.
        reference: what that is.
        digits: decimals that mean something.
    """

    label: str
    value: float
    against: float | None = None
    reference: str = ""
    digits: int = 1

    @property
    def ratio(self) -> float | None:
        """The figure by what it is compared with."""
        return self.value / self.against if self.against else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The figures of several rounds as one."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the spread of at least one value."""
        return cls(median=statistics.median(values), min=min(values), max=max(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which a share of the values lies, interpolated between neighbors.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("There is no percentile of no values.")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
