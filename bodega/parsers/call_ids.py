"""Ids of calls as formats take them: Mistral's templates refuse all but 9 letters and digits."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from bodega.ids import new_call_id, new_short_call_id

SHORT: Final = re.compile("[A-Za-z0-9]{9}")

_TAKES_SHORT: Final = frozenset({"mistral"})


def fresh_id(tool_calls: str) -> str:
    """Return a fresh id that the format of a tool call parser takes."""
    return new_short_call_id() if tool_calls in _TAKES_SHORT else new_call_id()


def with_fitting_ids(tool_calls: str, message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a message whose ids the format of a tool call parser takes.

    Clients bring along calls that another model made, or make them up. An id always becomes the
    same one, so that calls and their results stay together.
    """
    if tool_calls not in _TAKES_SHORT:
        return message
    changed: dict[str, Any] = {}
    if "tool_call_id" in message:
        changed["tool_call_id"] = _short(message["tool_call_id"])
    if "tool_calls" in message:
        changed["tool_calls"] = [
            {**call, "id": _short(call["id"])} for call in message["tool_calls"]
        ]
    return {**message, **changed} if changed else message


def _short(call_id: str) -> str:
    if SHORT.fullmatch(call_id):
        return call_id
    return hashlib.sha256(call_id.encode()).hexdigest()[:9]
