"""The tools of a request, and which of them may be called."""

import re
from collections.abc import Sequence
from typing import Any

from bodega_api.v1 import inference_pb2

from bodega.errors import InvalidRequest, MissingParameter
from bodega.limits import MAX_SCHEMA_CHARS, MAX_TOOLS
from bodega.rpc.json_object import json_object
from bodega.services.chat_request import CallMode, ToolChoice

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TYPES = (
    inference_pb2.TOOL_CALL_TYPE_UNSPECIFIED,
    inference_pb2.TOOL_CALL_TYPE_FUNCTION,
)
_MODES = {
    inference_pb2.TOOL_CHOICE_MODE_UNSPECIFIED: CallMode.AUTO,
    inference_pb2.TOOL_CHOICE_MODE_NONE: CallMode.NONE,
    inference_pb2.TOOL_CHOICE_MODE_AUTO: CallMode.AUTO,
    inference_pb2.TOOL_CHOICE_MODE_REQUIRED: CallMode.REQUIRED,
}


def plain_tools(tools: Sequence[inference_pb2.Tool]) -> list[dict[str, Any]]:
    """Return the tools of a request as templates know them.

    Raises:
        InvalidRequest: there are too many, or one cannot be told to a model; it names the member.
    """
    if len(tools) > MAX_TOOLS:
        raise InvalidRequest(
            f"At most {MAX_TOOLS} tools are taken; there are {len(tools)}.", param="tools"
        )
    plain: list[dict[str, Any]] = []
    names: set[str] = set()
    for at, tool in enumerate(tools):
        path = f"tools[{at}]"
        _check_type(tool.type, f"{path}.type")
        plain.append({"type": "function", "function": _function(tool.function, f"{path}.function")})
        if tool.function.name in names:
            raise InvalidRequest(
                "An earlier tool has the same name; give each one of its own.",
                param=f"{path}.function.name",
            )
        names.add(tool.function.name)
    return plain


def strict_names(tools: Sequence[inference_pb2.Tool]) -> frozenset[str]:
    """Return the names of the tools whose calls are held to their schemas."""
    return frozenset(tool.function.name for tool in tools if tool.function.strict)


def _function(function: inference_pb2.FunctionDefinition, path: str) -> dict[str, Any]:
    if not function.name:
        raise MissingParameter(f"{path}.name")
    if not _NAME.fullmatch(function.name):
        raise InvalidRequest(
            "The name of a function has 1 to 64 letters, digits, underscores, hyphens and dots.",
            param=f"{path}.name",
        )
    plain: dict[str, Any] = {"name": function.name}
    if function.HasField("description"):
        plain["description"] = function.description
    plain["parameters"] = _parameters(function, f"{path}.parameters")
    return plain


def _parameters(function: inference_pb2.FunctionDefinition, path: str) -> dict[str, Any]:
    if not function.HasField("parameters"):
        return {"type": "object", "properties": {}}
    schema = json_schema(function.parameters, path)
    if schema.get("type", "object") != "object":
        raise InvalidRequest(
            f"'{path}' must be the schema of an object: its type is \"object\".",
            param=f"{path}.type",
        )
    if not isinstance(schema.get("properties", {}), dict):
        raise InvalidRequest(
            f"'{path}.properties' must be an object of schemas.", param=f"{path}.properties"
        )
    return schema


def json_schema(text: str, path: str) -> dict[str, Any]:
    """Return the JSON schema that a text is.

    Raises:
        InvalidRequest: it is no JSON object, or too long.
    """
    if len(text) > MAX_SCHEMA_CHARS:
        raise InvalidRequest(
            f"'{path}' has at most {MAX_SCHEMA_CHARS} characters; it has {len(text)}.", param=path
        )
    return json_object(text, path)


def tool_choice(choice: inference_pb2.ToolChoice, tools: Sequence[Any]) -> ToolChoice:
    """Return whether and which of some tools the model may call.

    Raises:
        InvalidRequest: it wants what is not among the tools.
    """
    if choice.WhichOneof("kind") == "named":
        found = _named(choice.named)
    elif choice.mode in _MODES:
        found = ToolChoice(mode=_MODES[choice.mode])
    else:
        raise InvalidRequest(f"{choice.mode} is no tool choice.", param="tool_choice")
    if found.mode is CallMode.REQUIRED and not tools:
        raise InvalidRequest(
            "'tool_choice' wants a call, and there are no 'tools': give some, or leave it out.",
            param="tool_choice",
        )
    if found.name is not None and found.name not in {tool["function"]["name"] for tool in tools}:
        raise InvalidRequest(
            "'tool_choice' names a function that is not among the 'tools'.",
            param="tool_choice.function.name",
        )
    return found


def _named(named: inference_pb2.NamedToolChoice) -> ToolChoice:
    _check_type(named.type, "tool_choice.type")
    if not named.function.name:
        raise MissingParameter("tool_choice.function.name")
    return ToolChoice(mode=CallMode.REQUIRED, name=named.function.name)


def _check_type(kind: inference_pb2.ToolCallType, path: str) -> None:
    if kind not in _TYPES:
        raise InvalidRequest("Only functions are served.", param=path)
