"""JSON values to messages, compiled once a message type from its descriptor.

Checks what the types say. Ranges, required fields and everything else that a
request means are the core's to check: not every caller comes through here.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from bodega_api.v1 import dialect_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bodega.errors import UnsupportedParameter
from bodega.gateway import dialect
from bodega.gateway.json_text import JsonValue, Place, dotted, kind_of, refused
from bodega.gateway.scalars import Convert, converter, key_converter

_Fill = Callable[[Message, JsonValue, Place, list[str]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A message, and the places of the members that it has no fields for."""

    message: Message
    ignored: tuple[str, ...]


class Decoder:
    """Makes messages of one type from JSON values."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._new = GetMessageClass(descriptor)
        self._fill = _message_filler(descriptor)

    def decode(self, value: JsonValue) -> Decoded:
        """Return the message that a value, as `json_text.parse` gives it, stands for.

        Raises:
            InvalidRequest: a value has the wrong type or an unknown word.
            UnsupportedParameter: a name or word is known but not served.
        """
        message, ignored = self._new(), list[str]()
        self._fill(message, value, None, ignored)
        return Decoded(message=message, ignored=tuple(ignored))


@cache
def _message_filler(descriptor: Descriptor) -> _Fill:
    shape = dialect.of_message(descriptor).shape
    if shape == dialect.UNION:
        return _union_filler(descriptor)
    if shape in (dialect.LIST, dialect.MAP):
        return _field_filler(dialect.only_field(descriptor))
    return _object_filler(descriptor)


def _object_filler(descriptor: Descriptor) -> _Fill:
    fields = {field.name: _field_filler(field) for field in descriptor.fields}
    unserved = {
        name.name: _unserved_check(name) for name in dialect.of_message(descriptor).unserved
    }

    def fill(message: Message, value: JsonValue, place: Place, ignored: list[str]) -> None:
        if type(value) is not dict:
            raise refused(place, f"expected an object, got {kind_of(value)}")
        for name, member in value.items():
            if member is None:
                if name not in fields and name not in unserved:
                    ignored.append(dotted((place, name)))
            elif name in fields:
                fields[name](message, member, (place, name), ignored)
            elif name in unserved:
                unserved[name](member, (place, name))
            else:
                ignored.append(dotted((place, name)))

    return fill


def _union_filler(descriptor: Descriptor) -> _Fill:
    arms: dict[type, _Fill] = {}
    kinds: list[str] = []
    for field in dialect.arms(descriptor):
        filler = _field_filler(field)
        types = _json_types(field)
        kinds.append(kind_of(types[0]()))
        for json_type in types:
            if arms.setdefault(json_type, filler) is not filler:
                raise TypeError(f"{descriptor.full_name}: two arms are {kinds[-1]}")
    expected = " or ".join(kinds)

    def fill(message: Message, value: JsonValue, place: Place, ignored: list[str]) -> None:
        arm = arms.get(type(value))
        if arm is None:
            raise refused(place, f"expected {expected}, got {kind_of(value)}")
        arm(message, value, place, ignored)

    return fill


def _field_filler(field: FieldDescriptor) -> _Fill:
    if entry := dialect.map_entry(field):
        return _map_filler(field.name, *entry)
    if field.message_type is not None:
        return _message_field_filler(field, _message_filler(field.message_type))
    name, convert = field.name, converter(field)

    def fill_scalar(message: Message, value: JsonValue, place: Place, _: list[str]) -> None:
        setattr(message, name, convert(value, place))

    def fill_scalars(message: Message, value: JsonValue, place: Place, _: list[str]) -> None:
        items = _array(value, place)
        getattr(message, name).extend([convert(item, (place, i)) for i, item in enumerate(items)])

    return fill_scalars if field.is_repeated else fill_scalar


def _message_field_filler(field: FieldDescriptor, fill: _Fill) -> _Fill:
    name = field.name

    def fill_message(message: Message, value: JsonValue, place: Place, ignored: list[str]) -> None:
        child = getattr(message, name)
        child.SetInParent()
        fill(child, value, place, ignored)

    def fill_messages(message: Message, value: JsonValue, place: Place, ignored: list[str]) -> None:
        add = getattr(message, name).add
        for index, item in enumerate(_array(value, place)):
            fill(add(), item, (place, index), ignored)

    return fill_messages if field.is_repeated else fill_message


def _map_filler(name: str, key: FieldDescriptor, value: FieldDescriptor) -> _Fill:
    key_of, put = key_converter(key), _map_putter(value)

    def fill(message: Message, value: JsonValue, place: Place, ignored: list[str]) -> None:
        if type(value) is not dict:
            raise refused(place, f"expected an object, got {kind_of(value)}")
        entries = getattr(message, name)
        for member, item in value.items():
            if item is not None:
                where = (place, member)
                put(entries, key_of(member, where), item, where, ignored)

    return fill


def _map_putter(field: FieldDescriptor) -> Callable[[Any, Any, JsonValue, Place, list[str]], None]:
    """Return what puts a JSON value into a map, by the field of its values."""
    if field.message_type is None:
        convert = converter(field)

        def put(entries: Any, key: Any, value: JsonValue, place: Place, _: list[str]) -> None:
            entries[key] = convert(value, place)

        return put
    fill = _message_filler(field.message_type)

    def put_message(
        entries: Any, key: Any, value: JsonValue, place: Place, ignored: list[str]
    ) -> None:
        fill(entries[key], value, place, ignored)

    return put_message


def _array(value: JsonValue, place: Place) -> list[Any]:
    if type(value) is not list:
        raise refused(place, f"expected an array, got {kind_of(value)}")
    return value


def _json_types(field: FieldDescriptor) -> tuple[type, ...]:
    if field.message_type is not None:
        is_list = dialect.of_message(field.message_type).shape == dialect.LIST
        return (list,) if is_list else (dict,)
    if field.type == FieldDescriptor.TYPE_STRING and dialect.of_field(field).raw_json:
        return (dict,)
    if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_ENUM):
        return (str,)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return (bool,)
    return (float, int) if field.type == FieldDescriptor.TYPE_DOUBLE else (int, float)


def _unserved_check(name: dialect_pb2.UnservedName) -> Convert:
    accepted = {_canonical(json.loads(text)) for text in name.accepts}
    advice = "leave it out" if not name.accepts else f"leave it out, or send {name.accepts[0]}"

    def check(value: JsonValue, place: Place) -> None:
        if accepted and _canonical(value) in accepted:
            return
        where = dotted(place)
        raise UnsupportedParameter(f"{where}: not served; {advice}.", param=where)

    return check


def _canonical(value: JsonValue) -> str:
    if type(value) is float and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True)
