"""Completions: texts in, what comes after them out as it grows."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from bodega.engine.request import Generation
from bodega.engine.stream import AnswerStream
from bodega.errors import ContextLengthExceeded, InvalidRequest, MissingParameter
from bodega.ids import new_completion_id
from bodega.limits import MAX_PROMPTS
from bodega.services.answer import Answer
from bodega.services.completion_choice import CompletionChoice, CompletionPiece
from bodega.services.completion_request import MAX_TOKENS, CompletionRequest, Prompt
from bodega.services.generation_request import check_generation, samplings
from bodega.services.loaded_model import LoadedModel
from bodega.services.residency import Residency

INLINE_SIZE = 16_384
"""Prompts of up to so many characters or tokens together are made ready on the event loop: a
thread costs more."""


class CompletionAnswer(Answer[CompletionPiece]):
    """What comes after texts, as it grows: an asynchronous iterator over its pieces."""

    def __init__(self, choices: Sequence[CompletionChoice], **told: Any) -> None:
        super().__init__(choices, kind="completion", id=new_completion_id(), **told)


class CompletionService:
    """Goes on from texts with the loaded model."""

    def __init__(self, residency: Residency) -> None:
        self._residency = residency

    async def open(self, request: CompletionRequest) -> CompletionAnswer:
        """Check a request, take it in, and return its answer as it grows.

        Raises:
            BodegaError: the request is at fault, or cannot be taken now.
        """
        begin_s = time.monotonic()
        loaded = await self._residency.find(request.model)
        _check(request, loaded)
        loaded.resident.require_room(request.n * len(request.prompts))
        prompts = await _tokens(loaded, request.prompts)
        return CompletionAnswer(
            _choices(loaded, request, prompts),
            request=request,
            model_id=loaded.model_id,
            prompt_tokens=sum(map(len, prompts)),
            begin_s=begin_s,
        )


def _check(request: CompletionRequest, loaded: LoadedModel) -> None:
    if not request.prompts:
        raise MissingParameter("prompt")
    if len(request.prompts) > MAX_PROMPTS:
        raise InvalidRequest(
            f"At most {MAX_PROMPTS} prompts are taken; there are {len(request.prompts)}.",
            param="prompt",
        )
    if request.max_tokens == 0 and not request.echo:
        raise InvalidRequest(
            "'max_tokens' is at least 1, or 0 to get the prompt back with 'echo'.",
            param="max_tokens",
        )
    if request.echo and request.top_logprobs is not None:
        raise InvalidRequest(
            "'logprobs' are told of what is generated: leave out 'echo', or them.",
            param="logprobs",
        )
    check_generation(request, loaded.resident.info)


async def _tokens(loaded: LoadedModel, prompts: Sequence[Prompt]) -> Sequence[Sequence[int]]:
    """Return the tokens of prompts, for each of which there is room."""
    paths = [f"prompt[{at}]" for at in range(len(prompts))] if len(prompts) > 1 else ["prompt"]

    def tokens() -> Sequence[Sequence[int]]:
        return [
            _tokens_of(loaded, prompt, path) for prompt, path in zip(prompts, paths, strict=True)
        ]

    if sum(map(len, prompts)) <= INLINE_SIZE:
        return tokens()
    return await asyncio.to_thread(tokens)


def _tokens_of(loaded: LoadedModel, prompt: Prompt, path: str) -> Sequence[int]:
    tokens = loaded.resident.model.encode_text(prompt) if isinstance(prompt, str) else prompt
    if not tokens:
        raise InvalidRequest("A prompt has at least one token.", param=path)
    if len(tokens) >= loaded.context_length:
        raise ContextLengthExceeded(
            prompt_tokens=len(tokens), context_length=loaded.context_length, param=path
        )
    if not isinstance(prompt, str):
        _check_ids(tokens, loaded.resident.info.vocabulary_size, path)
    return tokens


def _check_ids(tokens: Sequence[int], size: int, path: str) -> None:
    for at, token in enumerate(tokens):
        if not 0 <= token < size:
            raise InvalidRequest(
                f"The model's tokens are 0 to {size - 1}; {token} is none.",
                param=f"{path}[{at}]",
            )


def _choices(
    loaded: LoadedModel, request: CompletionRequest, prompts: Sequence[Sequence[int]]
) -> list[CompletionChoice]:
    beginnings = [
        _echo(loaded, prompt) if request.echo else ""
        for prompt in request.prompts
        for _ in range(request.n)
    ]
    streams: Sequence[AnswerStream | None] = [None] * len(beginnings)
    if request.max_tokens != 0:
        streams = _generate(loaded, request, prompts)
    return [
        CompletionChoice(index, stream, beginning=beginning)
        for index, (stream, beginning) in enumerate(zip(streams, beginnings, strict=True))
    ]


def _echo(loaded: LoadedModel, prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else loaded.resident.model.token_text(prompt)


def _generate(
    loaded: LoadedModel, request: CompletionRequest, prompts: Sequence[Sequence[int]]
) -> Sequence[AnswerStream]:
    sampled = samplings(request)
    return loaded.resident.generate(
        [
            Generation(
                prompt=tokens,
                sampling=sampling,
                max_tokens=min(
                    request.max_tokens or MAX_TOKENS, loaded.context_length - len(tokens)
                ),
                stops=request.stops,
                top_logprobs=request.top_logprobs,
            )
            for tokens in prompts
            for sampling in sampled
        ]
    )
