"""Texts of requests that are JSON objects."""

import json
import math
from typing import Any, NoReturn

from bodega.errors import InvalidRequest
from bodega.limits import MAX_JSON_DEPTH


def json_object(text: str, path: str) -> dict[str, Any]:
    """Return the JSON object that a text is.

    Raises:
        InvalidRequest: the text is not one, or holds what templates cannot print: NaN, an
            infinity, half a surrogate pair, or too many levels.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not _is_plain(value, 1):
        raise InvalidRequest(
            f"'{path}' must be the text of a JSON object, at most {MAX_JSON_DEPTH} deep, of "
            "finite numbers and whole characters.",
            param=path,
        )
    return value


def _is_plain(value: Any, depth: int) -> bool:
    if isinstance(value, str):
        return value.isascii() or _is_unicode(value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return depth <= MAX_JSON_DEPTH and all(_is_plain(item, depth + 1) for item in value)
    return True


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
