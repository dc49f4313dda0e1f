"""JSON schemas of the contract's messages, as the codec reads and writes them."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from bodega.gateway import dialect

Schema = dict[str, Any]

_FORMATS = {
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT64: "uint64",
}


class Schemas:
    """The schemas of messages and of everything that they hold.

    Attributes:
        components: a schema for each message and enum met so far, by its name.
    """

    def __init__(self, comments: Mapping[str, str], requests: Iterable[Descriptor]) -> None:
        """Prepare.

        Args:
            comments: the comments of the contract by full name.
            requests: the messages that clients send; their members may be null.
        """
        self.components: dict[str, Schema] = {}
        self._comments = comments
        self._sent = _reachable(requests)

    def reference(self, message: Descriptor) -> Schema:
        """Return a reference to a message's schema, adding it to the components."""
        if message.name not in self.components:
            self.components[message.name] = self._message(message)
        return {"$ref": f"#/components/schemas/{message.name}"}

    def of_field(self, field: FieldDescriptor) -> Schema:
        """Return the schema of a member, described by the field's comment."""
        schema = self._whole_value(field)
        if self._may_be_null(field):
            schema = _or_null(schema)
        return schema | self._described(field.full_name)

    def parameter(self, field: FieldDescriptor) -> Schema:
        """Return the name, description and schema of a field outside the body."""
        description = self._comments.get(field.full_name, "")
        schema = self._whole_value(field)
        return {"name": field.name, "description": description, "schema": schema}

    def _whole_value(self, field: FieldDescriptor) -> Schema:
        if entry := dialect.map_entry(field):
            return self._map(*entry)
        value = self._value(field)
        return {"type": "array", "items": value} if field.is_repeated else value

    def _message(self, message: Descriptor) -> Schema:
        shape = dialect.of_message(message).shape
        if shape == dialect.UNION:
            arms = [self._arm(field) for field in dialect.arms(message)]
            return {"oneOf": arms} | self._described(message.full_name)
        if shape in (dialect.LIST, dialect.MAP):
            schema = self._whole_value(dialect.only_field(message))
            return schema | self._described(message.full_name)
        schema = {
            "type": "object",
            "properties": {field.name: self.of_field(field) for field in message.fields},
        }
        if required := [field.name for field in message.fields if self._is_required(field)]:
            schema["required"] = required
        return schema | self._described(message.full_name, _unserved_text(message))

    def _map(self, key: FieldDescriptor, value: FieldDescriptor) -> Schema:
        schema: Schema = {"type": "object", "additionalProperties": self._value(value)}
        if key.type in dialect.INTEGERS:
            schema["propertyNames"] = {"pattern": "^(0|-?[1-9][0-9]*)$"}
        return schema

    def _arm(self, field: FieldDescriptor) -> Schema:
        return self._value(field) | self._described(field.full_name)

    def _value(self, field: FieldDescriptor) -> Schema:
        if field.message_type is not None:
            return self.reference(field.message_type)
        if field.enum_type is not None:
            return self._enum_reference(field.enum_type)
        if field.type == FieldDescriptor.TYPE_STRING:
            return {"type": "object"} if dialect.of_field(field).raw_json else {"type": "string"}
        if field.type == FieldDescriptor.TYPE_BOOL:
            return {"type": "boolean"}
        if field.type in _FORMATS:
            return {"type": "integer", "format": _FORMATS[field.type]} | _range(field)
        return {"type": "number", "format": "double"} | _range(field)

    def _enum_reference(self, enum: EnumDescriptor) -> Schema:
        if enum.name not in self.components:
            words = dialect.words(enum)
            names = {word: enum.values_by_number[number].name for word, number in words.items()}
            told = [
                f"- `{word}`: {self._comments.get(f'{enum.full_name}.{name}', '')}"
                for word, name in names.items()
            ]
            schema: Schema = {"type": "string", "enum": list(words)}
            self.components[enum.name] = schema | self._described(enum.full_name, "\n".join(told))
        return {"$ref": f"#/components/schemas/{enum.name}"}

    def _is_sent(self, field: FieldDescriptor) -> bool:
        return field.full_name.rpartition(".")[0] in self._sent

    def _is_required(self, field: FieldDescriptor) -> bool:
        if self._is_sent(field):
            behavior = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
            return field_behavior_pb2.REQUIRED in behavior
        options = dialect.of_field(field)
        return options.emit_null or not (field.has_presence or options.omit_empty)

    def _may_be_null(self, field: FieldDescriptor) -> bool:
        if self._is_sent(field):
            return not self._is_required(field)
        options = dialect.of_field(field)
        return options.emit_null or bool(options.emit_null_if_requested)

    def _described(self, full_name: str, more: str = "") -> Schema:
        text = "\n\n".join(part for part in (self._comments.get(full_name, ""), more) if part)
        return {"description": text} if text else {}


def _reachable(messages: Iterable[Descriptor]) -> frozenset[str]:
    found: set[str] = set()
    waiting = list(messages)
    while waiting:
        message = waiting.pop()
        if message.full_name not in found:
            found.add(message.full_name)
            waiting += [f.message_type for f in message.fields if f.message_type is not None]
    return frozenset(found)


def _or_null(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"oneOf": [schema, {"type": "null"}]}
    return schema | {"type": [schema["type"], "null"]}


def _range(field: FieldDescriptor) -> Schema:
    bounds = dialect.of_field(field).range
    told = {"minimum": bounds.min, "maximum": bounds.max, "exclusiveMinimum": bounds.above}
    given = {"minimum": "min", "maximum": "max", "exclusiveMinimum": "above"}
    return {
        name: int(value) if math.isfinite(value) and value.is_integer() else value
        for name, value in told.items()
        if bounds.HasField(given[name])
    }


def _unserved_text(message: Descriptor) -> str:
    names = []
    for unserved in dialect.of_message(message).unserved:
        accepted = ["null", *(json.dumps(json.loads(text)) for text in unserved.accepts)]
        names.append(f"`{unserved.name}` (taken: {', '.join(accepted)})")
    return f"Not served, and refused with another value: {', '.join(names)}." if names else ""
