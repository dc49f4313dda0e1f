"""Parts of a conversation that templates take in different ways, made so that each is right."""

import json
from typing import Any, Final

import jinja2


class CallArguments(dict[str, Any]):
    """The arguments of a call: an object to most templates, its text to those that join it."""

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False)

    def __add__(self, other: str) -> str:
        return str(self) + other

    def __radd__(self, other: str) -> str:
        return other + str(self)


class _NoDescription(jinja2.Undefined):
    """A description that was not given: not defined, and no text where one is joined."""

    __slots__ = ()

    def __add__(self, other: str) -> str:  # type: ignore[override]
        return other

    __radd__ = __add__  # type: ignore[assignment]


_NO_DESCRIPTION: Final = _NoDescription(name="description")


class ToolFunction(dict[str, Any]):
    """A function of a tool, which need not be described, though templates rely on it."""

    def __missing__(self, name: str) -> Any:
        if name == "description":
            return _NO_DESCRIPTION
        raise KeyError(name)


class NoText(str):
    """The content of a message that only calls: empty to some templates, none to others."""

    __slots__ = ()


def is_none(value: Any) -> bool:
    """Whether a template is to take a value for none."""
    return value is None or isinstance(value, NoText)
