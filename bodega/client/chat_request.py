"""A chat request from plain Python values."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

from bodega_api.v1 import inference_pb2

Messages: TypeAlias = str | Iterable[inference_pb2.ChatMessage | Mapping[str, str]]
"""A conversation: what the user says, or messages, each the contract's ChatMessage or a mapping
such as ``{"role": "user", "content": "Hello"}``."""


class ChatOptions(TypedDict, total=False):
    """How to answer. Each has the meaning, range and default of the request field of its name."""

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
        _set(request, name, value)
    return request


def _message(
    message: inference_pb2.ChatMessage | Mapping[str, str],
) -> inference_pb2.ChatMessage:
    if isinstance(message, inference_pb2.ChatMessage):
        return message
    if unknown := message.keys() - {"role", "content", "name"}:
        raise ValueError(f"a message has no member {min(unknown)!r}")
    return inference_pb2.ChatMessage(
        role=f"ROLE_{message['role'].upper()}",
        content=inference_pb2.Content(text=message["content"]),
        name=message.get("name"),
    )


def _set(request: inference_pb2.CreateChatCompletionRequest, name: str, value: Any) -> None:
    if name not in ChatOptions.__annotations__:
        raise TypeError(f"there is no option {name!r}")
    if value is None:
        return
    if name == "stop":
        texts = [value] if isinstance(value, str) else value
        request.stop.texts.texts.extend(texts)
    elif name == "chat_template_kwargs":
        request.chat_template_kwargs = json.dumps(value)
    else:
        setattr(request, name, value)
