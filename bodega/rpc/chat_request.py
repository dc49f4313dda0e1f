"""CreateChatCompletionRequest to the chat service's own request."""

from collections.abc import Mapping
from typing import Any

from bodega_api.v1 import inference_pb2

from bodega.errors import InvalidRequest
from bodega.limits import MAX_METADATA, MAX_METADATA_NAME_CHARS, MAX_METADATA_TEXT_CHARS
from bodega.rpc.generation_request import given, sampling, stops
from bodega.rpc.json_object import json_object
from bodega.rpc.messages import plain_message
from bodega.rpc.ranges import check_ranges
from bodega.rpc.response_format import response_format
from bodega.rpc.tools import plain_tools, strict_names, tool_choice
from bodega.services.chat_request import TEMPERATURE, ChatRequest

_EFFORTS = {
    inference_pb2.REASONING_EFFORT_UNSPECIFIED: None,
    inference_pb2.REASONING_EFFORT_NONE: "none",
    inference_pb2.REASONING_EFFORT_MINIMAL: "minimal",
    inference_pb2.REASONING_EFFORT_LOW: "low",
    inference_pb2.REASONING_EFFORT_MEDIUM: "medium",
    inference_pb2.REASONING_EFFORT_HIGH: "high",
    inference_pb2.REASONING_EFFORT_XHIGH: "xhigh",
}

Request = inference_pb2.CreateChatCompletionRequest


def chat_request(request: Request, *, request_id: str) -> ChatRequest:
    """Return the chat service's form of a request.

    Raises:
        InvalidRequest: a field is missing or has a value that cannot be honoured.
    """
    check_ranges(request)
    _check_metadata(request.metadata)
    tools = plain_tools(request.tools)
    return ChatRequest(
        request_id=request_id,
        model=request.model,
        messages=[
            plain_message(message, f"messages[{at}]") for at, message in enumerate(request.messages)
        ],
        max_tokens=_max_tokens(request),
        sampling=sampling(request, temperature=TEMPERATURE),
        seed=given(request, "seed"),
        n=request.n or 1,
        top_logprobs=_top_logprobs(request),
        stops=stops(request),
        template_arguments=_template_arguments(request),
        user=given(request, "user"),
        tools=tools,
        strict_tools=strict_names(request.tools),
        tool_choice=tool_choice(request.tool_choice, tools),
        parallel_tool_calls=given(request, "parallel_tool_calls") is not False,
        response_format=(
            response_format(request.response_format)
            if request.HasField("response_format")
            else None
        ),
        reasoning_effort=_reasoning_effort(request),
        thinking_budget_tokens=given(request, "thinking_budget_tokens"),
        continue_final_message=request.continue_final_message,
    )


def _max_tokens(request: Request) -> int | None:
    newer: int | None = given(request, "max_completion_tokens")
    return given(request, "max_tokens") if newer is None else newer


def _top_logprobs(request: Request) -> int | None:
    if request.logprobs:
        return request.top_logprobs
    if request.top_logprobs:
        raise InvalidRequest(
            "'top_logprobs' needs 'logprobs': set that to true, or leave both out.",
            param="top_logprobs",
        )
    return None


def _reasoning_effort(request: Request) -> str | None:
    if request.reasoning_effort not in _EFFORTS:
        raise InvalidRequest(f"{request.reasoning_effort} is no effort.", param="reasoning_effort")
    return _EFFORTS[request.reasoning_effort]


def _template_arguments(request: Request) -> dict[str, Any]:
    if not request.HasField("chat_template_kwargs"):
        return {}
    return json_object(request.chat_template_kwargs, "chat_template_kwargs")


def _check_metadata(metadata: Mapping[str, str]) -> None:
    if len(metadata) > MAX_METADATA:
        raise InvalidRequest(
            f"'metadata' has at most {MAX_METADATA} names; there are {len(metadata)}.",
            param="metadata",
        )
    for name, text in metadata.items():
        if len(name) > MAX_METADATA_NAME_CHARS or len(text) > MAX_METADATA_TEXT_CHARS:
            raise InvalidRequest(
                f"A name in 'metadata' has at most {MAX_METADATA_NAME_CHARS} characters, and its "
                f"text at most {MAX_METADATA_TEXT_CHARS}.",
                param="metadata",
            )
