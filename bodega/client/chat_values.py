"""Tools and formats as OpenAI's API has them, to the contract's messages."""

import json
from collections.abc import Mapping
from typing import Any

from bodega_api.v1 import inference_pb2


def tool(value: Mapping[str, Any]) -> inference_pb2.Tool:
    """Return a tool."""
    function = _with_json(value["function"], "parameters")
    return inference_pb2.Tool(
        type=_type(value), function=inference_pb2.FunctionDefinition(**function)
    )


def tool_choice(value: str | Mapping[str, Any]) -> inference_pb2.ToolChoice:
    """Return whether tools are called, or which one.

    Raises:
        ValueError: the word is not known.
    """
    if isinstance(value, str):
        return inference_pb2.ToolChoice(mode=f"TOOL_CHOICE_MODE_{value.upper()}")
    named = inference_pb2.NamedToolChoice(
        type=_type(value), function={"name": value["function"]["name"]}
    )
    return inference_pb2.ToolChoice(named=named)


def tool_call(value: Mapping[str, Any] | inference_pb2.ToolCall) -> inference_pb2.ToolCall:
    """Return a call that an earlier answer made."""
    if isinstance(value, inference_pb2.ToolCall):
        return value
    function = inference_pb2.FunctionCall(**value["function"])
    return inference_pb2.ToolCall(id=value.get("id", ""), type=_type(value), function=function)


def response_format(value: Mapping[str, Any]) -> inference_pb2.ResponseFormat:
    """Return what the content of an answer must be.

    Raises:
        ValueError: the type is not known, or a member is.
    """
    members = dict(value)
    kind = f"RESPONSE_FORMAT_TYPE_{members.pop('type').upper()}"
    if (schema := members.get("json_schema")) is not None:
        members["json_schema"] = inference_pb2.JsonSchemaFormat(**_with_json(schema, "schema"))
    return inference_pb2.ResponseFormat(type=kind, **members)


def _type(value: Mapping[str, Any]) -> str:
    return f"TOOL_CALL_TYPE_{value.get('type', 'function').upper()}"


def _with_json(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    members = dict(value)
    if members.get(name) is not None:
        members[name] = json.dumps(members[name])
    return members
