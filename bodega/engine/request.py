"""What the engine is asked for, and what it answers piece by piece."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from bodega.backends.base import Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """A prompt to go on from.

    Attributes:
        prompt: token ids, at least one.
        max_tokens: most tokens to generate, at least one.
        stops: texts that end the answer.
    """

    prompt: Sequence[int]
    sampling: Sampling
    max_tokens: int
    stops: tuple[str, ...] = ()


class Finish(Enum):
    """Why an answer ended well."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Delta:
    """What is new of an answer.

    Attributes:
        text: what to append; may be empty.
        tokens: how many tokens it took.
        finish: why the answer ended, in the last delta only.
    """

    text: str
    tokens: int
    finish: Finish | None = None
