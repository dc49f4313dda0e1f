"""How models mark their thinking."""

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple


class ThinkingTags(NamedTuple):
    """What stands before and after thinking."""

    opening: str
    closing: str


THINK: Final = ThinkingTags("<think>", "</think>")

_TAGS: Final[Mapping[str, ThinkingTags]] = {
    "qwen3": THINK,
    "qwen3_moe": THINK,
    "qwen3_next": THINK,
    "qwen3_vl": THINK,
    "glm4_moe": THINK,
    "minimax_m2": THINK,
    "kimi_k2": THINK,
    "deepseek_v3": THINK,
    "mistral": ThinkingTags("[THINK]", "[/THINK]"),
    "gemma": ThinkingTags("<|channel>", "<channel|>"),
}


class Begun(Enum):
    """What the end of a prompt says of thinking."""

    OPEN = "open"
    """It is open: the answer begins within."""

    CLOSED = "closed"
    """It is over, or turned off."""

    UNSAID = "unsaid"
    """The model may open it."""


def thinking_tags(reasoning: str) -> ThinkingTags | None:
    """Return the tags of a reasoning parser; None if its format has none."""
    return _TAGS.get(reasoning)


def thinking_label(tags: ThinkingTags) -> str:
    """Return what a model writes between its opening tag and its thinking; empty if nothing."""
    return "thought\n" if tags.opening == "<|channel>" else ""


def begun(tags: ThinkingTags, ending: str) -> Begun:
    """Return what the end of a prompt says of thinking."""
    opened, closed = ending.rfind(tags.opening), ending.rfind(tags.closing)
    if opened > closed:
        return Begun.OPEN
    return Begun.CLOSED if closed >= 0 else Begun.UNSAID
