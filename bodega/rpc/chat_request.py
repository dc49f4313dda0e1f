"""CreateChatCompletionRequest to the chat service's own request."""

import json
import math
from typing import Any, NoReturn

from bodega_api.v1 import inference_pb2

from bodega.backends.base import Sampling
from bodega.errors import InvalidRequest, MissingParameter
from bodega.limits import MAX_JSON_DEPTH
from bodega.rpc.ranges import check_ranges
from bodega.services.chat import TEMPERATURE, ChatRequest

_ROLES = {
    inference_pb2.ROLE_SYSTEM: "system",
    inference_pb2.ROLE_DEVELOPER: "developer",
    inference_pb2.ROLE_USER: "user",
    inference_pb2.ROLE_ASSISTANT: "assistant",
    inference_pb2.ROLE_TOOL: "tool",
}


def chat_request(
    request: inference_pb2.CreateChatCompletionRequest, *, request_id: str
) -> ChatRequest:
    """Return the chat service's form of a request.

    Raises:
        InvalidRequest: a field is missing or has a value that cannot be honoured.
    """
    check_ranges(request)
    return ChatRequest(
        request_id=request_id,
        model=request.model,
        messages=[
            _message(message, f"messages[{at}]") for at, message in enumerate(request.messages)
        ],
        max_tokens=_max_tokens(request),
        sampling=_sampling(request),
        seed=request.seed if request.HasField("seed") else None,
        stops=_stops(request),
        template_arguments=_template_arguments(request),
        user=request.user if request.HasField("user") else None,
    )


def _message(message: inference_pb2.ChatMessage, path: str) -> dict[str, Any]:
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
    if message.tool_calls:
        if message.role != inference_pb2.ROLE_ASSISTANT:
            raise InvalidRequest(
                "Only assistant messages have tool calls.", param=f"{path}.tool_calls"
            )
        plain["tool_calls"] = [
            _tool_call(call, f"{path}.tool_calls[{at}]")
            for at, call in enumerate(message.tool_calls)
        ]
    return plain


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


def _max_tokens(request: inference_pb2.CreateChatCompletionRequest) -> int | None:
    if request.HasField("max_completion_tokens"):
        return request.max_completion_tokens
    return request.max_tokens if request.HasField("max_tokens") else None


def _sampling(request: inference_pb2.CreateChatCompletionRequest) -> Sampling:
    def given(name: str, default: float) -> float:
        return float(getattr(request, name)) if request.HasField(name) else default

    return Sampling(
        temperature=given("temperature", TEMPERATURE),
        top_p=given("top_p", 1.0),
        top_k=max(0, request.top_k),
        min_p=given("min_p", 0.0),
        repetition_penalty=given("repetition_penalty", 1.0),
        presence_penalty=given("presence_penalty", 0.0),
        frequency_penalty=given("frequency_penalty", 0.0),
    )


def _stops(request: inference_pb2.CreateChatCompletionRequest) -> tuple[str, ...]:
    kind = request.stop.WhichOneof("kind")
    if kind == "text":
        return (request.stop.text,)
    if kind == "texts":
        return tuple(request.stop.texts.texts)
    return ()


def _template_arguments(request: inference_pb2.CreateChatCompletionRequest) -> dict[str, Any]:
    if not request.HasField("chat_template_kwargs"):
        return {}
    return json_object(request.chat_template_kwargs, "chat_template_kwargs")


def json_object(text: str, path: str) -> dict[str, Any]:
    """Return the JSON object that a text is.

    Raises:
        InvalidRequest: the text is not one, or holds what templates cannot print: NaN, an
            infinity, half a surrogate pair, or too many levels.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not _is_plain(value, 1):
        raise InvalidRequest(
            f"'{path}' must be the text of a JSON object, at most {MAX_JSON_DEPTH} deep, of "
            "finite numbers and whole characters.",
            param=path,
        )
    return value


def _is_plain(value: Any, depth: int) -> bool:
    if isinstance(value, str):
        return value.isascii() or _is_unicode(value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return depth <= MAX_JSON_DEPTH and all(_is_plain(item, depth + 1) for item in value)
    return True


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
