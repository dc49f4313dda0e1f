"""What the contract says beyond plain Protobuf: the options of dialect.proto, by name."""

from typing import Any

from bodega_api.v1 import dialect_pb2
from google.protobuf.descriptor import (
    Descriptor,
    DescriptorBase,
    EnumDescriptor,
    EnumValueDescriptor,
    FieldDescriptor,
    MethodDescriptor,
)

UNION = dialect_pb2.SHAPE_UNION
LIST = dialect_pb2.SHAPE_LIST
MAP = dialect_pb2.SHAPE_MAP

INTEGERS: dict[int, tuple[int, int]] = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}
"""The integer types of the contract, each with its smallest and largest value."""


def of_method(method: MethodDescriptor) -> dialect_pb2.MethodDialect:
    """Return how an RPC behaves on HTTP."""
    options: dialect_pb2.MethodDialect = _option(method, dialect_pb2.method)
    return options


def of_message(message: Descriptor) -> dialect_pb2.MessageDialect:
    """Return the JSON shape of a message."""
    options: dialect_pb2.MessageDialect = _option(message, dialect_pb2.message)
    return options


def of_field(field: FieldDescriptor) -> dialect_pb2.FieldDialect:
    """Return the JSON shape and the accepted values of a field."""
    options: dialect_pb2.FieldDialect = _option(field, dialect_pb2.field)
    return options


def unserved_words(enum: EnumDescriptor) -> list[str]:
    """Return the words that clients know and the enum does not have."""
    return list(_option(enum, dialect_pb2.words).unserved)


def http_status(value: EnumValueDescriptor) -> int:
    """Return the HTTP status of an answer that holds the value; 0 for the ordinary one."""
    return int(_option(value, dialect_pb2.word).http_status)


def words(enum: EnumDescriptor) -> dict[str, int]:
    """Return the JSON words of an enum with their numbers; the unspecified value has none."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {
        _option(value, dialect_pb2.word).spelling
        or value.name.removeprefix(prefix).lower(): value.number
        for value in enum.values
        if value.number != 0
    }


def arms(union: Descriptor) -> list[FieldDescriptor]:
    """Return the fields of a union, of which one is set."""
    return list(union.oneofs[0].fields)


def only_field(message: Descriptor) -> FieldDescriptor:
    """Return the field of a message that is a bare list or map."""
    (field,) = message.fields
    return field


def map_entry(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor] | None:
    """Return what keys and values of a map are; None for a field that is none."""
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return None
    return entry.fields_by_name["key"], entry.fields_by_name["value"]


def _option(descriptor: DescriptorBase, extension: FieldDescriptor) -> Any:
    return descriptor.GetOptions().Extensions[extension]
