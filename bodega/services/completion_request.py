"""Texts and how to go on from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bodega.backends.base import Sampling
from bodega.services.generation_request import GenerationRequest

MAX_TOKENS = 16
TEMPERATURE = 1.0
"""The defaults, of the API and not of the model."""

Prompt = str | Sequence[int]
"""A text, or its tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest(GenerationRequest):
    """Texts and how to go on from them; None and empty mean the default.

    Attributes:
        prompts: each gets `n` choices, in order.
        echo: each choice begins with its prompt's text.
    """

    prompts: Sequence[Prompt]
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=TEMPERATURE))
    echo: bool = False
