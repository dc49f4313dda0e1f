"""What the content of an answer must be."""

from bodega_api.v1 import inference_pb2

from bodega.errors import InvalidRequest, MissingParameter
from bodega.limits import MAX_GRAMMAR_CHARS, MAX_REGEX_CHARS
from bodega.rpc.tools import json_schema
from bodega.services.chat_request import FormatKind, ResponseFormat

_MEMBERS = {
    inference_pb2.RESPONSE_FORMAT_TYPE_TEXT: None,
    inference_pb2.RESPONSE_FORMAT_TYPE_JSON_OBJECT: None,
    inference_pb2.RESPONSE_FORMAT_TYPE_JSON_SCHEMA: "json_schema",
    inference_pb2.RESPONSE_FORMAT_TYPE_REGEX: "regex",
    inference_pb2.RESPONSE_FORMAT_TYPE_GRAMMAR: "grammar",
}
"""The types, each with the member that it needs."""


def response_format(asked: inference_pb2.ResponseFormat) -> ResponseFormat | None:
    """Return what the content must be; None for any text.

    Raises:
        InvalidRequest: what its type needs is missing, too long, or of another type.
    """
    if asked.type == inference_pb2.RESPONSE_FORMAT_TYPE_UNSPECIFIED:
        raise MissingParameter("response_format.type")
    if asked.type not in _MEMBERS:
        raise InvalidRequest(f"{asked.type} is no type of format.", param="response_format.type")
    _check_members(asked)
    if asked.type == inference_pb2.RESPONSE_FORMAT_TYPE_TEXT:
        return None
    if asked.type == inference_pb2.RESPONSE_FORMAT_TYPE_JSON_SCHEMA:
        return _json_schema(asked.json_schema)
    if asked.type == inference_pb2.RESPONSE_FORMAT_TYPE_REGEX:
        source = _source(asked.regex, "response_format.regex", MAX_REGEX_CHARS)
        return ResponseFormat(kind=FormatKind.REGEX, source=source)
    if asked.type == inference_pb2.RESPONSE_FORMAT_TYPE_GRAMMAR:
        source = _source(asked.grammar, "response_format.grammar", MAX_GRAMMAR_CHARS)
        return ResponseFormat(kind=FormatKind.GRAMMAR, source=source)
    return ResponseFormat(kind=FormatKind.JSON_OBJECT)


def _check_members(asked: inference_pb2.ResponseFormat) -> None:
    needed = _MEMBERS[asked.type]
    if needed is not None and not asked.HasField(needed):
        raise MissingParameter(f"response_format.{needed}")
    for field, _ in asked.ListFields():
        if field.name not in ("type", needed):
            raise InvalidRequest(
                f"'response_format.{field.name}' is for formats of its own type: set "
                f"'response_format.type' to \"{field.name}\", or leave it out.",
                param=f"response_format.{field.name}",
            )


def _json_schema(asked: inference_pb2.JsonSchemaFormat) -> ResponseFormat:
    if not asked.name:
        raise MissingParameter("response_format.json_schema.name")
    if not asked.HasField("schema"):
        return ResponseFormat(kind=FormatKind.JSON_OBJECT)
    schema = json_schema(asked.schema, "response_format.json_schema.schema")
    return ResponseFormat(kind=FormatKind.JSON_SCHEMA, schema=schema)


def _source(text: str, path: str, most_chars: int) -> str:
    if not text:
        raise MissingParameter(path)
    if len(text) > most_chars:
        raise InvalidRequest(
            f"'{path}' has at most {most_chars} characters; it has {len(text)}.", param=path
        )
    return text
