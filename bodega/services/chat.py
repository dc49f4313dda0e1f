"""Chat: a conversation in, an answer out as it grows."""

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from bodega.backends.base import Message, Sampling
from bodega.engine.milestones import Milestones
from bodega.engine.request import Delta, Finish, Generation
from bodega.engine.stream import AnswerStream
from bodega.errors import (
    BodegaError,
    ChatTemplateError,
    ContextLengthExceeded,
    InvalidRequest,
    MissingParameter,
)
from bodega.ids import new_completion_id
from bodega.limits import MAX_MESSAGES, MAX_STOP_CHARS, MAX_STOPS, MAX_USER_CHARS
from bodega.services.loaded_model import LoadedModel
from bodega.services.residency import Residency

logger = logging.getLogger(__name__)

TEMPERATURE = 0.7
"""The default temperature, of the API and not of the model."""

INLINE_CHARS = 16_384
"""Conversations up to this long are tokenized on the event loop: a thread costs more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A conversation and how to answer it; None and empty mean the default.

    Numbers are in their ranges already.

    Attributes:
        request_id: the caller's id for the request, for the log.
        seed: the request's own; None draws one.
        user: the caller's name for the end user, for the log.
    """

    request_id: str = ""
    model: str
    messages: Sequence[Message]
    max_tokens: int | None = None
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=TEMPERATURE))
    seed: int | None = None
    stops: tuple[str, ...] = ()
    template_arguments: Mapping[str, Any] = field(default_factory=dict)
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """What the time of an answer went to.

    Attributes:
        queue_s: waiting for its turn.
        prefill_s: from its turn to the first token.
        decode_s: from the first token to the last.
        tokens_per_second: of decoding; 0 where there was no second token.
    """

    queue_s: float
    prefill_s: float
    decode_s: float
    tokens_per_second: float

    @classmethod
    def of(cls, milestones: Milestones, *, tokens: int) -> Self:
        """Return what milestones tell of an answer of some tokens."""
        decode_s = milestones.decode_s
        return cls(
            queue_s=milestones.queue_s,
            prefill_s=milestones.prefill_s,
            decode_s=decode_s,
            tokens_per_second=(tokens - 1) / decode_s if tokens > 1 and decode_s > 0 else 0.0,
        )


class ChatAnswer:
    """An answer as it grows: an asynchronous iterator over its deltas.

    Whoever opens one must iterate it to its end or `cancel` it.

    Attributes:
        id: the answer's id.
        created: when the request came, in seconds since 1970.
        model_id: the model that answers.
        prompt_tokens: tokens of the conversation.
        completion_tokens: tokens generated so far.
        finish: why it ended, once it has.
    """

    def __init__(
        self,
        stream: AnswerStream,
        request: ChatRequest,
        *,
        model_id: str,
        prompt_tokens: int,
        begin_s: float,
    ) -> None:
        self.id = new_completion_id()
        self.created = int(time.time())
        self.model_id = model_id
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = 0
        self.finish: Finish | None = None
        self._stream = stream
        self._request = request
        self._begin_s = begin_s
        self._logged = False

    def __aiter__(self) -> Self:
        return self

    @property
    def cached_tokens(self) -> int:
        """Tokens of the conversation that were not computed again."""
        return self._stream.cached_tokens

    @property
    def timings(self) -> Timings:
        """What the time has gone to so far."""
        return Timings.of(self._stream.milestones, tokens=self.completion_tokens)

    async def __anext__(self) -> Delta:
        try:
            delta = await anext(self._stream)
        except BodegaError as error:
            self._log(error.code)
            raise
        self.completion_tokens += delta.tokens
        if delta.finish is not None:
            self.finish = delta.finish
            self._log(delta.finish.value)
        return delta

    def cancel(self) -> None:
        """End the request; does nothing once it has ended."""
        self._stream.cancel()
        self._log("cancelled")

    def _log(self, outcome: str) -> None:
        if self._logged:
            return
        self._logged = True
        fields: dict[str, Any] = {
            "id": self.id,
            "request": self._request.request_id,
            "model": self.model_id,
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
            "completion_tokens": self.completion_tokens,
            "finish": outcome,
        }
        if (first_s := self._stream.milestones.first_s) is not None:
            fields["ttft_ms"] = round((first_s - self._begin_s) * 1e3, 1)
        if speed := self.timings.tokens_per_second:
            fields["tokens_per_second"] = round(speed, 1)
        if self._request.user is not None:
            fields["user"] = self._request.user
        fields["seconds"] = round(time.monotonic() - self._begin_s, 3)
        logger.info("chat", extra={"fields": fields})


class ChatService:
    """Answers conversations with the loaded model."""

    def __init__(self, residency: Residency) -> None:
        self._residency = residency

    async def open(self, request: ChatRequest) -> ChatAnswer:
        """Check a request, take it in, and return its answer as it grows.

        Raises:
            BodegaError: the request is at fault, or cannot be taken now.
        """
        begin_s = time.monotonic()
        loaded = await self._residency.find(request.model)
        _check(request)
        loaded.resident.require_room()
        prompt = await _encode(loaded, request)
        if not prompt:
            raise ChatTemplateError(
                "The model's chat template makes nothing of the conversation.", param="messages"
            )
        room = loaded.context_length - len(prompt)
        if room < 1:
            raise ContextLengthExceeded(
                prompt_tokens=len(prompt), context_length=loaded.context_length
            )
        stream = loaded.resident.generate(
            Generation(
                prompt=prompt,
                sampling=_with_seed(request),
                max_tokens=min(request.max_tokens or room, room),
                stops=request.stops,
            )
        )
        return ChatAnswer(
            stream,
            request,
            model_id=loaded.model_id,
            prompt_tokens=len(prompt),
            begin_s=begin_s,
        )


def _check(request: ChatRequest) -> None:
    if not request.messages:
        raise MissingParameter("messages", "'messages' must hold at least one message.")
    if len(request.messages) > MAX_MESSAGES:
        raise InvalidRequest(f"At most {MAX_MESSAGES} messages are taken.", param="messages")
    if len(request.stops) > MAX_STOPS:
        raise InvalidRequest(f"At most {MAX_STOPS} stop texts are taken.", param="stop")
    for stop in request.stops:
        if not 0 < len(stop) <= MAX_STOP_CHARS:
            raise InvalidRequest(f"A stop text has 1 to {MAX_STOP_CHARS} characters.", param="stop")
    if request.user is not None and len(request.user) > MAX_USER_CHARS:
        raise InvalidRequest(f"'user' has at most {MAX_USER_CHARS} characters.", param="user")


async def _encode(loaded: LoadedModel, request: ChatRequest) -> list[int]:
    render = loaded.resident.model.render_chat
    if _chars([request.messages, request.template_arguments]) <= INLINE_CHARS:
        return render(request.messages, request.template_arguments).tokens
    return (await asyncio.to_thread(render, request.messages, request.template_arguments)).tokens


def _chars(value: Any) -> int:
    """Return how much text a JSON value holds."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_chars, value.values()))
    return sum(map(_chars, value)) if isinstance(value, list | tuple) else 0


def _with_seed(request: ChatRequest) -> Sampling:
    seed = secrets.randbits(63) if request.seed is None else request.seed
    return replace(request.sampling, seed=seed)
