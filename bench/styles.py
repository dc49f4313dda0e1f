"""How the chats of a load ask for their answers."""

from collections.abc import Callable, Mapping
from typing import Any, Final

_SAMPLED: Final = {"temperature": 0.7, "top_p": 0.95}

_VARIED: Final[tuple[Mapping[str, Any], ...]] = (
    {"temperature": 0.7, "top_p": 0.95},
    {"temperature": 1.0, "top_k": 40},
    {"temperature": 0.8, "min_p": 0.05, "presence_penalty": 0.5},
    {"temperature": 1.2, "top_p": 0.9, "frequency_penalty": 0.3},
    {"temperature": 0.6, "top_k": 20, "top_p": 0.8},
    {"temperature": 0.9, "repetition_penalty": 1.1},
    {"temperature": 1.0},
    {},
)
_BIASES: Final = {str(token): 2.0 - token % 5 for token in range(300, 316)}

_SCHEMA: Final = {
    "type": "array",
    # More than any answer has room for: each is as long as it may be.
    "minItems": 1000,
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 24},
            "count": {"type": "integer", "minimum": 0, "maximum": 999},
            "kind": {"enum": ["red", "green", "blue"]},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 12}, "maxItems": 3},
        },
        "required": ["name", "count", "kind", "tags"],
        "additionalProperties": False,
    },
}

Style = Callable[[int], Mapping[str, Any]]
"""Returns the members of the request with a number."""


def _sampled(number: int) -> Mapping[str, Any]:
    return {**_SAMPLED, "seed": number}


def _varied(number: int) -> Mapping[str, Any]:
    return {**_VARIED[number % len(_VARIED)], "seed": number, "logit_bias": _BIASES}


def _constrained(_: int) -> Mapping[str, Any]:
    schema = {"name": "things", "schema": _SCHEMA}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


STYLES: Final[Mapping[str, Style]] = {
    "greedy": lambda _: {},
    "sampled": _sampled,
    "varied": _varied,
    "constrained": _constrained,
}
