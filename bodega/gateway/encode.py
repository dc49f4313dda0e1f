"""Messages to JSON text, compiled once a message type from its descriptor.

Streams pass here once a token: per message there is one dictionary and one
serialization, and no look at a descriptor.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from bodega.gateway import dialect

Encode = Callable[[Message], bytes]
"""Makes the JSON text of a message."""

_Convert = Callable[[Any], Any]


class Encoder:
    """Makes the JSON text of answers of one type.

    Some members are null only if the request asked for them, so the encoder of
    an answer is chosen once a call, by the request.
    """

    def __init__(self, answer: Descriptor, *, member: str = "") -> None:
        """Compile for an answer, or for one field of it that stands for the whole."""
        self._answer = answer
        self._member = member
        self._paths = sorted(_requested_paths(answer))
        self._compiled: dict[frozenset[str], Encode] = {}  # bounded: one a subset of the paths

    def for_request(self, request: Message) -> Encode:
        """Return what makes JSON text of the answers to a request."""
        asked = frozenset(path for path in self._paths if _is_true(request, path))
        if asked not in self._compiled:
            self._compiled[asked] = self._compile(asked)
        return self._compiled[asked]

    def _compile(self, asked: frozenset[str]) -> Encode:
        convert = _message_converter(self._answer, asked)
        if self._member:
            field = self._answer.fields_by_name[self._member]
            convert = _member_converter(field, _converter(field, asked))
        dumps = orjson.dumps
        return lambda message: dumps(convert(message))


def status_of(answer: Descriptor) -> Callable[[Message], int]:
    """Return what tells the HTTP status of an answer from the enum values at its top."""
    statuses: list[tuple[str, dict[int, int]]] = []
    for field in answer.fields:
        if field.enum_type is not None and not field.is_repeated:
            told = {v.number: dialect.http_status(v) for v in field.enum_type.values}
            if any(told.values()):
                statuses.append((field.name, told))

    def status(message: Message) -> int:
        for name, told in statuses:
            if found := told.get(getattr(message, name)):
                return found
        return 200

    return status


def _requested_paths(descriptor: Descriptor) -> set[str]:
    paths = {dialect.of_field(field).emit_null_if_requested for field in descriptor.fields} - {""}
    for field in descriptor.fields:
        if field.message_type is not None:
            paths |= _requested_paths(field.message_type)
    return paths


def _is_true(request: Message, path: str) -> bool:
    value: object = request
    for name in path.split("."):
        value = getattr(value, name, False)
    return value is True


@cache
def _message_converter(descriptor: Descriptor, asked: frozenset[str]) -> _Convert:
    shape = dialect.of_message(descriptor).shape
    if shape == dialect.UNION:
        return _union_converter(descriptor, asked)
    if shape in (dialect.LIST, dialect.MAP):
        field = dialect.only_field(descriptor)
        return _member_converter(field, _converter(field, asked))
    return _object_converter(descriptor, asked)


def _member_converter(field: FieldDescriptor, convert: _Convert | None) -> _Convert:
    name = field.name
    if convert is None:
        return lambda message: getattr(message, name)
    return lambda message: convert(getattr(message, name))


def _object_converter(descriptor: Descriptor, asked: frozenset[str]) -> _Convert:
    members = [
        (
            field.name,
            field.has_presence,
            _converter(field, asked),
            _is_null_printed(field, asked),
            dialect.of_field(field).omit_empty,
        )
        for field in descriptor.fields
    ]

    def convert(message: Message) -> dict[str, Any]:
        printed: dict[str, Any] = {}
        has = message.HasField
        for name, may_be_unset, converter, null, omit_empty in members:
            if may_be_unset and not has(name):
                if null:
                    printed[name] = None
                continue
            value = getattr(message, name)
            if omit_empty and not value:
                continue
            printed[name] = value if converter is None else converter(value)
        return printed

    return convert


def _is_null_printed(field: FieldDescriptor, asked: frozenset[str]) -> bool:
    options = dialect.of_field(field)
    return options.emit_null or options.emit_null_if_requested in asked


def _union_converter(descriptor: Descriptor, asked: frozenset[str]) -> _Convert:
    oneof = descriptor.oneofs[0].name
    arms = {
        field.name: _member_converter(field, _converter(field, asked))
        for field in dialect.arms(descriptor)
    }

    def convert(message: Message) -> object:
        arm = message.WhichOneof(oneof)
        return None if arm is None else arms[arm](message)

    return convert


def _converter(field: FieldDescriptor, asked: frozenset[str]) -> _Convert | None:
    """Return what a field's value passes through, None where it is JSON as it is."""
    if entry := dialect.map_entry(field):
        return _map_converter(_converter(entry[1], asked))
    convert: _Convert | None = None
    if field.message_type is not None:
        convert = _message_converter(field.message_type, asked)
    elif field.enum_type is not None:
        # The unspecified value has no word, and a newer core may send unknown ones.
        convert = {number: word for word, number in dialect.words(field.enum_type).items()}.get
    elif field.type == FieldDescriptor.TYPE_STRING and dialect.of_field(field).raw_json:
        convert = _raw_json
    if not field.is_repeated:
        return convert
    if convert is None:
        return list
    each = convert
    return lambda items: [each(item) for item in items]


def _map_converter(convert: _Convert | None) -> _Convert:
    """Return what makes an object of a map; in the order of keys, as maps have none."""
    if convert is None:
        return lambda entries: {str(key): entries[key] for key in sorted(entries)}
    each = convert
    return lambda entries: {str(key): each(entries[key]) for key in sorted(entries)}


def _raw_json(text: str) -> orjson.Fragment:
    return orjson.Fragment(text.encode())
