"""Chat: a conversation in, an answer out as it grows."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bodega.backends.base import Guide, RenderedChat
from bodega.engine.request import Generation
from bodega.engine.stream import AnswerStream
from bodega.errors import (
    ChatTemplateError,
    ContextLengthExceeded,
    InvalidRequest,
    MissingParameter,
)
from bodega.ids import new_chat_id
from bodega.limits import MAX_MESSAGES
from bodega.parsers.call_ids import with_fitting_ids
from bodega.parsers.choice import NONE
from bodega.parsers.message import MessageParser
from bodega.services.answer import Answer
from bodega.services.chat_choice import ChatChoice, ChatPiece
from bodega.services.chat_guide import ChatGuides
from bodega.services.chat_request import ChatRequest
from bodega.services.generation_request import check_generation, samplings
from bodega.services.loaded_model import LoadedModel
from bodega.services.residency import Residency

INLINE_CHARS = 16_384
"""Conversations up to this long are tokenized on the event loop: a thread costs more."""


class ChatAnswer(Answer[ChatPiece]):
    """An answer to a conversation as it grows: an asynchronous iterator over its pieces.

    Attributes:
        has_reasoning: whether thinking is told apart.
    """

    def __init__(self, choices: Sequence[ChatChoice], *, has_reasoning: bool, **told: Any) -> None:
        super().__init__(choices, kind="chat", id=new_chat_id(), **told)
        self._told_apart = choices
        self.has_reasoning = has_reasoning

    @property
    def reasoning_tokens(self) -> int | None:
        """Tokens of thinking generated so far; None where that is not told apart."""
        if not self.has_reasoning:
            return None
        return sum([choice.reasoning_tokens for choice in self._told_apart])


class ChatService:
    """Answers conversations with the loaded model."""

    def __init__(self, residency: Residency) -> None:
        self._residency = residency
        self._guides = ChatGuides()

    async def open(self, request: ChatRequest) -> ChatAnswer:
        """Check a request, take it in, and return its answer as it grows.

        Raises:
            BodegaError: the request is at fault, or cannot be taken now.
        """
        begin_s = time.monotonic()
        loaded = await self._residency.find(request.model)
        _check(request, loaded)
        loaded.resident.require_room(request.n)
        rendered = await _rendered(loaded, request)
        room = _room(rendered, loaded)
        guides = await self._guides.make(loaded, request, rendered)
        # Before anything is generated, which somebody then has to read.
        parsers = [_parser(loaded, request, rendered) for _ in guides]
        streams = _generate(loaded, request, rendered, guides, room)
        one_call = not request.parallel_tool_calls
        return ChatAnswer(
            [
                ChatChoice(index, stream, parser, one_call=one_call)
                for index, (stream, parser) in enumerate(zip(streams, parsers, strict=True))
            ],
            has_reasoning=loaded.reasoning_parser != NONE,
            request=request,
            model_id=loaded.model_id,
            prompt_tokens=len(rendered.tokens),
            begin_s=begin_s,
        )


def _check(request: ChatRequest, loaded: LoadedModel) -> None:
    if not request.messages:
        raise MissingParameter("messages", "'messages' must hold at least one message.")
    if len(request.messages) > MAX_MESSAGES:
        raise InvalidRequest(f"At most {MAX_MESSAGES} messages are taken.", param="messages")
    if request.continue_final_message:
        last = request.messages[-1]
        if last["role"] != "assistant" or "tool_calls" in last:
            raise InvalidRequest(
                "'continue_final_message' goes on with the last message, which must be the "
                "assistant's and without tool calls.",
                param="continue_final_message",
            )
    check_generation(request, loaded.resident.info)


def _room(rendered: RenderedChat, loaded: LoadedModel) -> int:
    """Return how many tokens an answer may have."""
    if not rendered.tokens:
        raise ChatTemplateError(
            "The model's chat template makes nothing of the conversation.", param="messages"
        )
    room = loaded.context_length - len(rendered.tokens)
    if room < 1:
        raise ContextLengthExceeded(
            prompt_tokens=len(rendered.tokens), context_length=loaded.context_length
        )
    return room


def _generate(
    loaded: LoadedModel,
    request: ChatRequest,
    rendered: RenderedChat,
    guides: Sequence[Guide | None],
    room: int,
) -> Sequence[AnswerStream]:
    generations = [
        Generation(
            prompt=rendered.tokens,
            sampling=sampling,
            max_tokens=min(request.max_tokens or room, room),
            stops=request.stops,
            guide=guide,
            top_logprobs=request.top_logprobs,
        )
        for sampling, guide in zip(samplings(request), guides, strict=True)
    ]
    return loaded.resident.generate(generations)


def _parser(
    loaded: LoadedModel, request: ChatRequest, rendered: RenderedChat
) -> MessageParser | None:
    tools = request.told_tools
    calls = loaded.tool_call_parser if tools else NONE
    if loaded.reasoning_parser == NONE and calls == NONE:
        return None
    return MessageParser(
        reasoning=loaded.reasoning_parser,
        tool_calls=calls,
        markers=loaded.resident.info.markers,
        ending=rendered.ending,
        tools=tools,
    )


async def _rendered(loaded: LoadedModel, request: ChatRequest) -> RenderedChat:
    tools = request.told_tools
    arguments = _arguments(loaded, request)
    messages = [with_fitting_ids(loaded.tool_call_parser, one) for one in request.messages]

    def render() -> RenderedChat:
        return loaded.resident.model.render_chat(
            messages,
            arguments,
            tools=tools or None,
            goes_on=request.continue_final_message,
        )

    if _chars([request.messages, arguments, tools]) <= INLINE_CHARS:
        return render()
    return await asyncio.to_thread(render)


def _arguments(loaded: LoadedModel, request: ChatRequest) -> Mapping[str, Any]:
    """Return the caller's arguments for the template, and those that the effort means."""
    effort = request.reasoning_effort
    if effort is None:
        return request.template_arguments
    meant: dict[str, Any] = {}
    if effort == "none":
        meant["enable_thinking"] = False
    elif "reasoning_effort" in loaded.resident.info.template_names:
        meant["reasoning_effort"] = effort
    return {**meant, **request.template_arguments}


def _chars(value: Any) -> int:
    """Return how long the text of a JSON value is, about."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(len, value)) + sum(map(_chars, value.values()))
    return sum(map(_chars, value)) if isinstance(value, list | tuple) else 1
