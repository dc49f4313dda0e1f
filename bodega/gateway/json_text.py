"""JSON text to plain values, more strictly than the standard library reads it.

What comes out holds only None, bool, int, finite float, str, list and dict; is
at most `limits.MAX_JSON_DEPTH` deep; and every string in it can be encoded as
UTF-8. Knows nothing of messages.
"""

import json
import math
from typing import Any

from bodega import limits
from bodega.errors import InvalidRequest

# A longer integer lies beyond the range of a double.
_MAX_NUMBER_CHARS = 308

JsonValue = Any
"""None, a boolean, an integer, a finite float, a string, or a list or dictionary of such."""

Place = tuple["Place", str | int] | None
"""Where in a body a value stands: the place it stands in, and its name or index there."""


def dotted(place: Place) -> str:
    """Return a place as callers read it, ``messages[0].content``; the whole is ``body``."""
    steps: list[str] = []
    while place is not None:
        place, step = place
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return "".join(reversed(steps)).removeprefix(".") or "body"


def refused(place: Place, reason: str) -> InvalidRequest:
    """Return the error for a value that cannot be taken, naming its place."""
    where = _printable(dotted(place))
    return InvalidRequest(f"{where}: {reason}.", param=where)


def kind_of(value: object) -> str:
    """Name the JSON type of a value, with its article."""
    return _KINDS[type(value)]


def parse(body: bytes) -> JsonValue:
    """Return the value that a body holds.

    Raises:
        InvalidRequest: the body is not JSON, or holds a value that no message can.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        raise refused(None, "begins with a byte order mark; send JSON without one")
    try:
        value = _DECODER.decode(body.decode())
    except UnicodeDecodeError as error:
        raise refused(None, f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise refused(None, f"not valid JSON at {where}: {_lower_first(error.msg)}") from None
    except RecursionError:
        raise refused(None, _TOO_DEEP) from None
    _check(value, None, 1)
    return value


class _Flaw:
    """Stands where the text had something that is no value, until its place is known."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def _object(pairs: list[tuple[str, Any]]) -> JsonValue:
    members = dict(pairs)
    return members if len(members) == len(pairs) else _Flaw("a name stands twice in the object")


def _float(text: str) -> float | _Flaw:
    value = float(text)
    return value if math.isfinite(value) else _Flaw("a number out of range")


def _int(text: str) -> int | _Flaw:
    return int(text) if len(text) <= _MAX_NUMBER_CHARS else _Flaw("a number out of range")


def _constant(text: str) -> _Flaw:
    return _Flaw(f"{text} is not a JSON value")


def _check(value: JsonValue, place: Place, depth: int) -> None:
    kind = type(value)
    if kind is str:
        if not value.isascii():
            _check_text(value, place)
    elif kind is dict:
        _check_depth(place, depth)
        for name, member in value.items():
            if not name.isascii():
                _check_text(name, place)
            _check(member, (place, name), depth + 1)
    elif kind is list:
        _check_depth(place, depth)
        for index, item in enumerate(value):
            _check(item, (place, index), depth + 1)
    elif kind is _Flaw:
        raise refused(place, value.reason)


def _check_depth(place: Place, depth: int) -> None:
    if depth > limits.MAX_JSON_DEPTH:
        raise refused(place, _TOO_DEEP)


def _check_text(text: str, place: Place) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise refused(place, "holds half of a surrogate pair, which is no character") from None


def _printable(text: str) -> str:
    """Return a place without line breaks and the like, and not longer than a line."""
    plain = "".join(character if character.isprintable() else "?" for character in text)
    return plain if len(plain) <= _MAX_PLACE_CHARS else f"{plain[:_MAX_PLACE_CHARS]}..."


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


_MAX_PLACE_CHARS = 200
_TOO_DEEP = f"nested more than {limits.MAX_JSON_DEPTH} deep"
_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_int=_int, parse_constant=_constant
)
