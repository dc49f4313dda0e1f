"""JSON values to single values of the contract's types: texts, numbers, words, raw JSON."""

import json
import re
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from bodega.errors import UnsupportedParameter
from bodega.gateway import dialect
from bodega.gateway.json_text import JsonValue, Place, dotted, kind_of, refused

Convert = Callable[[JsonValue, Place], Any]
"""Makes a value, or refuses it naming its place."""

_DECIMAL = re.compile(r"0|-?[1-9][0-9]{0,19}")


def converter(field: FieldDescriptor) -> Convert:
    """Return what makes values of a field's type, checked, from JSON values.

    Raises:
        TypeError: the type has no JSON shape here.
    """
    if field.type in dialect.INTEGERS:
        return _integer_converter(*dialect.INTEGERS[field.type])
    if field.enum_type is not None:
        return _enum_converter(field.enum_type)
    if field.type == FieldDescriptor.TYPE_STRING:
        return _raw_json if dialect.of_field(field).raw_json else _string
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _boolean
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return _number
    raise TypeError(f"{field.full_name}: its type has no JSON shape here")


def _string(value: JsonValue, place: Place) -> str:
    if type(value) is not str:
        raise refused(place, f"expected a string, got {kind_of(value)}")
    return value


def _boolean(value: JsonValue, place: Place) -> bool:
    if type(value) is not bool:
        raise refused(place, f"expected a boolean, got {kind_of(value)}")
    return value


def _number(value: JsonValue, place: Place) -> float:
    if type(value) is not float and type(value) is not int:
        raise refused(place, f"expected a number, got {kind_of(value)}")
    return float(value)


def _raw_json(value: JsonValue, place: Place) -> str:
    if type(value) is not dict:
        raise refused(place, f"expected an object, got {kind_of(value)}")
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _integer_converter(smallest: int, largest: int) -> Convert:
    def convert(value: JsonValue, place: Place) -> int:
        if type(value) is float and value.is_integer():
            # JSON has one type of number: 5.0 is 5.
            value = int(value)
        if type(value) is not int:
            raise refused(place, f"expected an integer, got {kind_of(value)}")
        if not smallest <= value <= largest:
            raise refused(place, f"expected an integer from {smallest} to {largest}")
        return value

    return convert


def _enum_converter(enum: EnumDescriptor) -> Convert:
    numbers, unserved = dialect.words(enum), frozenset(dialect.unserved_words(enum))
    known = "one of " * (len(numbers) > 1) + ", ".join(f"'{word}'" for word in numbers)

    def convert(value: JsonValue, place: Place) -> int:
        if type(value) is not str:
            raise refused(place, f"expected a string, got {kind_of(value)}")
        if value in numbers:
            return numbers[value]
        if value in unserved:
            where = dotted(place)
            message = f"{where}: '{value}' is not served; what is: {known}."
            raise UnsupportedParameter(message, param=where)
        raise refused(place, f"an unknown word; expected {known}")

    return convert


def key_converter(field: FieldDescriptor) -> Convert:
    """Return what makes keys of a map from the names of an object's members.

    An integer is its decimal text, written in one way only, so that no key stands twice.
    """
    if field.type not in dialect.INTEGERS:
        return converter(field)
    smallest, largest = dialect.INTEGERS[field.type]
    expected = f"expected the name to be an integer from {smallest} to {largest}"

    def convert(value: JsonValue, place: Place) -> int:
        if not _DECIMAL.fullmatch(value) or not smallest <= int(value) <= largest:
            raise refused(place, expected)
        return int(value)

    return convert
