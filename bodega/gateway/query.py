"""Query parameters and path variables as JSON values, by the types of the request's fields."""

import json
import re
from collections.abc import Iterable

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from bodega.gateway import dialect
from bodega.gateway.json_text import JsonValue, refused

_INTEGER = re.compile(r"-?[0-9]{1,20}")
_LITERAL_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,19}")
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?")
_BOOLEANS = {"true": True, "false": False}


def members_of_query(request: Descriptor, pairs: Iterable[tuple[str, str]]) -> dict[str, JsonValue]:
    """Return query parameters as members of a JSON object for `Decoder.decode`.

    A text that does not fit its field's type stays text, which the decoder refuses.

    Raises:
        InvalidRequest: a parameter of a field that is no list comes twice.
    """
    members: dict[str, JsonValue] = {}
    for name, text in pairs:
        field = request.fields_by_name.get(name)
        value = _value(field, _utf8(name, text))
        if field is not None and field.is_repeated:
            members.setdefault(name, []).append(value)
        elif name in members:
            raise refused((None, name), "given more than once")
        else:
            members[name] = value
    return members


def _utf8(name: str, text: str) -> str:
    try:
        (name + text).encode()
    except UnicodeEncodeError:
        raise refused(None, "the query is not UTF-8") from None
    return text


def _value(field: FieldDescriptor | None, text: str) -> JsonValue:
    if field is None:
        return _guess(text)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _BOOLEANS.get(text, text)
    if field.type in dialect.INTEGERS and _INTEGER.fullmatch(text):
        return int(text)
    if field.type == FieldDescriptor.TYPE_DOUBLE and _NUMBER.fullmatch(text):
        return float(text)
    return text


def _guess(text: str) -> JsonValue:
    """Return what a name without a field holds: it may be an unserved one with its default."""
    is_literal = text in ("true", "false", "null") or _LITERAL_INTEGER.fullmatch(text)
    return json.loads(text) if is_literal else text
