"""What the engine is asked for, and what it answers piece by piece."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from bodega.backends.base import Guide, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """A prompt to go on from.

    Attributes:
        prompt: token ids, at least one.
        max_tokens: most tokens to generate, at least one.
        stops: texts that end the answer.
        guide: what may come next; None for anything.
        top_logprobs: how many of the likeliest tokens to tell of beside each; None to tell no
            probabilities at all.
    """

    prompt: Sequence[int]
    sampling: Sampling
    max_tokens: int
    stops: tuple[str, ...] = ()
    guide: Guide | None = None
    top_logprobs: int | None = None


class Finish(Enum):
    """Why an answer ended well."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """The probabilities in the place of one token, as natural logarithms.

    Attributes:
        token: the bytes of the token that was chosen.
        logprob: its own.
        top: the bytes of the likeliest tokens with theirs, the likeliest first.
    """

    token: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """What is new of an answer.

    Attributes:
        text: what to append; may be empty.
        tokens: how many tokens it took.
        finish: why the answer ended, in the last delta only.
        markers: where the text holds markers: pairs of begin and end, in order.
        logprobs: if asked for, of the tokens whose text begins in it. Those of the token that ends
            the answer, and of what a stop text cuts off, are never told.
    """

    text: str
    tokens: int
    finish: Finish | None = None
    markers: tuple[tuple[int, int], ...] = ()
    logprobs: tuple[TokenLogprobs, ...] = ()
