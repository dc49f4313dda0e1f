"""Messages of a conversation as templates know them."""

from typing import Any

from bodega_api.v1 import inference_pb2

from bodega.errors import InvalidRequest, MissingParameter
from bodega.rpc.json_object import json_object

_ROLES = {
    inference_pb2.ROLE_SYSTEM: "system",
    inference_pb2.ROLE_DEVELOPER: "developer",
    inference_pb2.ROLE_USER: "user",
    inference_pb2.ROLE_ASSISTANT: "assistant",
    inference_pb2.ROLE_TOOL: "tool",
}


def plain_message(message: inference_pb2.ChatMessage, path: str) -> dict[str, Any]:
    """Return a message of a request.

    Args:
        message: the message.
        path: its place in the request, for errors.

    Raises:
        InvalidRequest: it is none that its role may have; the error names the member.
    """
    if message.role == inference_pb2.ROLE_UNSPECIFIED:
        raise MissingParameter(f"{path}.role")
    if message.role not in _ROLES:
        raise InvalidRequest(f"{message.role} is no role.", param=f"{path}.role")
    plain: dict[str, Any] = {
        "role": _ROLES[message.role],
        "content": _content(message, path),
    }
    if message.HasField("name"):
        plain["name"] = message.name
    if message.HasField("tool_call_id"):
        plain["tool_call_id"] = message.tool_call_id
    elif message.role == inference_pb2.ROLE_TOOL:
        raise MissingParameter(
            f"{path}.tool_call_id",
            f"'{path}.tool_call_id' is required: the id of the call that the message answers.",
        )
    if message.reasoning_content:
        _require_assistant(message, f"{path}.reasoning_content")
        plain["reasoning_content"] = message.reasoning_content
    if message.tool_calls:
        _require_assistant(message, f"{path}.tool_calls")
        plain["tool_calls"] = [
            _tool_call(call, f"{path}.tool_calls[{at}]")
            for at, call in enumerate(message.tool_calls)
        ]
    return plain


def _require_assistant(message: inference_pb2.ChatMessage, path: str) -> None:
    if message.role != inference_pb2.ROLE_ASSISTANT:
        raise InvalidRequest(f"Only assistant messages have '{path}'.", param=path)


def _content(message: inference_pb2.ChatMessage, path: str) -> str:
    kind = message.content.WhichOneof("kind")
    if kind == "text":
        return message.content.text
    if kind == "parts":
        return "".join(
            _part(part, f"{path}.content[{at}]")
            for at, part in enumerate(message.content.parts.parts)
        )
    if message.role == inference_pb2.ROLE_ASSISTANT and message.tool_calls:
        return ""
    raise MissingParameter(f"{path}.content")


def _part(part: inference_pb2.ContentPart, path: str) -> str:
    if part.type == inference_pb2.CONTENT_PART_TYPE_UNSPECIFIED:
        raise MissingParameter(f"{path}.type")
    if part.type != inference_pb2.CONTENT_PART_TYPE_TEXT:
        raise InvalidRequest("Only text parts are served.", param=f"{path}.type")
    if not part.HasField("text"):
        raise MissingParameter(f"{path}.text")
    return part.text


def _tool_call(call: inference_pb2.ToolCall, path: str) -> dict[str, Any]:
    if not call.function.name:
        raise MissingParameter(f"{path}.function.name")
    arguments = json_object(call.function.arguments or "{}", f"{path}.function.arguments")
    return {
        "id": call.id,
        "type": "function",
        # Templates print the arguments themselves, so they get them as an object.
        "function": {"name": call.function.name, "arguments": arguments},
    }
