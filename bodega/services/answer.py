"""An answer as it grows, of one choice or several, and what is told of it in the end."""

import asyncio
import logging
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, Protocol, Self, TypeVar

from bodega.engine.stream import AnswerStream
from bodega.errors import BodegaError
from bodega.services.generation_request import GenerationRequest
from bodega.services.timings import Timings, first_token_s

logger = logging.getLogger(__name__)

Piece = TypeVar("Piece")
PieceOut = TypeVar("PieceOut", covariant=True)


class Choice(Protocol[PieceOut]):
    """One of the choices of an answer.

    Attributes:
        stream: where it comes from; None if nothing is generated for it.
        tokens: how many were generated so far.
        outcome: why it ended, as the log has it; None until it has.
    """

    stream: AnswerStream | None
    tokens: int

    @property
    def outcome(self) -> str | None:
        """Why it ended."""

    @abstractmethod
    def advance(self) -> PieceOut | None:
        """Return what is new of it, None if nothing is.

        Raises:
            BodegaError: it has ended with an error.
        """


class Answer(Generic[Piece]):
    """An answer as it grows: an asynchronous iterator over what is new of its choices.

    Whoever opens one must iterate it to its end or `cancel` it.

    Attributes:
        id: the answer's id.
        created: when the request came, in seconds since 1970.
        model_id: the model that answers.
        prompt_tokens: tokens of what it goes on from.
        choices: in the order of their indexes.
    """

    def __init__(
        self,
        choices: Sequence[Choice[Piece]],
        request: GenerationRequest,
        *,
        kind: str,
        id: str,
        model_id: str,
        prompt_tokens: int,
        begin_s: float,
    ) -> None:
        """Make one.

        Args:
            choices: in the order of their indexes.
            request: what was asked for.
            kind: what it is called in the log.
            id: its id.
            model_id: the model that answers.
            prompt_tokens: tokens of what it goes on from.
            begin_s: when the request came, by the monotonic clock.
        """
        self.id = id
        self.created = int(time.time())
        self.model_id = model_id
        self.prompt_tokens = prompt_tokens
        self._kind = kind
        self._request = request
        self._begin_s = begin_s
        self._logged = False
        self.choices = choices
        self._open = deque(choices)
        self._streams = [choice.stream for choice in choices if choice.stream is not None]
        self._news = asyncio.Event()
        for stream in self._streams:
            stream.on_news = self._news.set

    @property
    def completion_tokens(self) -> int:
        """Tokens generated so far, for all choices together."""
        return sum([choice.tokens for choice in self.choices])

    @property
    def cached_tokens(self) -> int:
        """Tokens of what it goes on from that were not computed again.

        Choices with one prompt read it once, so the first one's count.
        """
        return sum([stream.cached_tokens for stream in self._streams[:: self._request.n]])

    @property
    def timings(self) -> Timings:
        """What the time has gone to so far."""
        milestones = [stream.milestones for stream in self._streams]
        return Timings.of(milestones, tokens=self.completion_tokens)

    @property
    def has_ended(self) -> bool:
        """Whether all of its choices have."""
        return not self._open

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        try:
            while self._open:
                for _ in range(len(self._open)):
                    if (piece := self._advance(self._open[0])) is not None:
                        return piece
                await self._news.wait()
        except BodegaError as error:
            self._log(error.code)
            raise
        self._log(",".join(sorted({choice.outcome or "" for choice in self.choices})))
        raise StopAsyncIteration

    def _advance(self, choice: Choice[Piece]) -> Piece | None:
        """Return what is new of the choice that is first in the round, which ends its turn."""
        self._news.clear()
        piece = choice.advance()
        self._open.popleft()
        if choice.outcome is None:
            self._open.append(choice)
        return piece

    def cancel(self) -> None:
        """End the request; does nothing once it has ended."""
        for stream in self._streams:
            stream.cancel()
        self._open.clear()
        self._news.set()
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
        if len(self.choices) > 1:
            fields["choices"] = len(self.choices)
        first_s = first_token_s([stream.milestones for stream in self._streams])
        if first_s is not None:
            fields["ttft_ms"] = round((first_s - self._begin_s) * 1e3, 1)
        if speed := self.timings.tokens_per_second:
            fields["tokens_per_second"] = round(speed, 1)
        if self._request.user is not None:
            fields["user"] = self._request.user
        fields["seconds"] = round(time.monotonic() - self._begin_s, 3)
        logger.info(self._kind, extra={"fields": fields})
