"""What the calls of an answer must be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRule:
    """A tool that may be called.

    Attributes:
        parameters: the JSON schema of its arguments.
        strict: they follow it; else they are any object.
    """

    name: str
    parameters: Mapping[str, Any]
    strict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRules:
    """Which calls an answer holds.

    Attributes:
        tools: those that may be called, at least one.
        at_least_one: it has to call.
        parallel: it may call more than once.
        free_text: it may say something, before it calls or instead.
    """

    tools: Sequence[ToolRule]
    at_least_one: bool
    parallel: bool
    free_text: bool
