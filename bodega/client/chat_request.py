"""A chat request from plain Python values."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

from bodega_api.v1 import inference_pb2

from bodega.client.chat_values import response_format, tool, tool_call, tool_choice

Messages: TypeAlias = (
    str | Iterable[inference_pb2.ChatMessage | inference_pb2.AssistantMessage | Mapping[str, Any]]
)
"""A conversation: what the user says, or messages, each the contract's ChatMessage, the message of
an answer, or a mapping as OpenAI's API has it, such as ``{"role": "user", "content": "Hello"}``."""

_MEMBERS = {"role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content"}


class ChatOptions(TypedDict, total=False):
    """How to answer. Each has the meaning, range and default of the request field of its name.

    Tools, formats and their choice are mappings as OpenAI's API has them.
    """

    max_tokens: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    stop: str | Sequence[str]
    seed: int
    chat_template_kwargs: Mapping[str, Any]
    user: str
    tools: Sequence[Mapping[str, Any]]
    tool_choice: str | Mapping[str, Any]
    parallel_tool_calls: bool
    response_format: Mapping[str, Any]
    logprobs: bool
    top_logprobs: int
    n: int
    logit_bias: Mapping[int, float] | Mapping[str, float]
    reasoning_effort: str
    thinking_budget_tokens: int
    continue_final_message: bool
    metadata: Mapping[str, str]


def chat_request(
    messages: Messages, model: str, options: ChatOptions
) -> inference_pb2.CreateChatCompletionRequest:
    """Return the request, which asks for the timings too.

    Raises:
        ValueError: a message has a role that is not known, or an unknown member.
        TypeError: an option is not known, or of the wrong type.
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    request = inference_pb2.CreateChatCompletionRequest(
        model=model, messages=map(_message, messages), timings=True
    )
    for name, value in options.items():
        if name not in ChatOptions.__annotations__:
            raise TypeError(f"there is no option {name!r}")
        if value is not None:
            _set(request, name, value)
    return request


def stream_request(
    messages: Messages, model: str, options: ChatOptions
) -> inference_pb2.CreateChatCompletionRequest:
    """Return the request of a stream, which tells its usage too.

    Raises:
        ValueError, TypeError: as `chat_request`; or several choices are asked for.
    """
    if options.get("n") not in (None, 1):
        raise ValueError("a stream of this client has one choice")
    request = chat_request(messages, model, options)
    request.stream_options.include_usage = True
    return request


def _message(
    message: inference_pb2.ChatMessage | inference_pb2.AssistantMessage | Mapping[str, Any],
) -> inference_pb2.ChatMessage:
    if isinstance(message, inference_pb2.ChatMessage):
        return message
    if isinstance(message, inference_pb2.AssistantMessage):
        return _answered(message)
    if unknown := message.keys() - _MEMBERS:
        raise ValueError(f"a message has no member {min(unknown)!r}")
    content = message.get("content")
    return inference_pb2.ChatMessage(
        role=f"ROLE_{message['role'].upper()}",
        content=None if content is None else inference_pb2.Content(text=content),
        name=message.get("name"),
        tool_calls=map(tool_call, message.get("tool_calls") or ()),
        tool_call_id=message.get("tool_call_id"),
        reasoning_content=message.get("reasoning_content"),
    )


def _answered(message: inference_pb2.AssistantMessage) -> inference_pb2.ChatMessage:
    said = inference_pb2.ChatMessage(role=message.role, tool_calls=message.tool_calls)
    if message.HasField("content"):
        said.content.text = message.content
    if message.HasField("reasoning_content"):
        said.reasoning_content = message.reasoning_content
    return said


def _set(request: inference_pb2.CreateChatCompletionRequest, name: str, value: Any) -> None:
    match name:
        case "stop":
            request.stop.texts.texts.extend([value] if isinstance(value, str) else value)
        case "chat_template_kwargs":
            request.chat_template_kwargs = json.dumps(value)
        case "tools":
            request.tools.extend(map(tool, value))
        case "tool_choice":
            request.tool_choice.CopyFrom(tool_choice(value))
        case "response_format":
            request.response_format.CopyFrom(response_format(value))
        case "reasoning_effort":
            effort = inference_pb2.ReasoningEffort.Value(f"REASONING_EFFORT_{value.upper()}")
            setattr(request, name, effort)
        case "logit_bias" | "metadata":
            _set_mapping(request, name, value)
        case _:
            setattr(request, name, value)


def _set_mapping(
    request: inference_pb2.CreateChatCompletionRequest, name: str, value: Mapping[Any, Any]
) -> None:
    if name == "logit_bias":
        # JSON has the ids of tokens as texts.
        value = {int(token): bias for token, bias in value.items()}
    getattr(request, name).update(value)
