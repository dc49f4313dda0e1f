"""Parts of a message that templates take in different ways, made so that each way is right."""

import json
from typing import Any


class CallArguments(dict[str, Any]):
    """The arguments of a call: an object to most templates, its text to those that join it."""

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False)

    def __add__(self, other: str) -> str:
        return str(self) + other

    def __radd__(self, other: str) -> str:
        return other + str(self)


class NoText(str):
    """The content of a message that only calls: empty to some templates, none to others."""

    __slots__ = ()


def is_none(value: Any) -> bool:
    """Whether a template is to take a value for none."""
    return value is None or isinstance(value, NoText)
