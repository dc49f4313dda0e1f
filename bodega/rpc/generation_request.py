"""The fields that requests of chats and of completions have alike."""

import math
from collections.abc import Mapping
from typing import Any

from bodega_api.v1 import inference_pb2

from bodega.backends.base import Sampling
from bodega.errors import InvalidRequest
from bodega.limits import MAX_BIAS, MAX_BIASES

Request = inference_pb2.CreateChatCompletionRequest | inference_pb2.CreateCompletionRequest


def given(request: Request, name: str) -> Any:
    """Return a field that has presence, None if it is not set."""
    return getattr(request, name) if request.HasField(name) else None


def sampling(request: Request, *, temperature: float) -> Sampling:
    """Return how a request wants tokens to be chosen.

    Args:
        request: the request.
        temperature: its default.

    Raises:
        InvalidRequest: a bias cannot be honoured.
    """

    def number(name: str, default: float) -> float:
        value = given(request, name)
        return default if value is None else float(value)

    return Sampling(
        temperature=number("temperature", temperature),
        top_p=number("top_p", 1.0),
        top_k=max(0, request.top_k),
        min_p=number("min_p", 0.0),
        repetition_penalty=number("repetition_penalty", 1.0),
        presence_penalty=number("presence_penalty", 0.0),
        frequency_penalty=number("frequency_penalty", 0.0),
        biases=_biases(request.logit_bias),
    )


def _biases(biases: Mapping[int, float]) -> tuple[tuple[int, float], ...]:
    if len(biases) > MAX_BIASES:
        raise InvalidRequest(
            f"'logit_bias' has at most {MAX_BIASES} tokens; there are {len(biases)}.",
            param="logit_bias",
        )
    for token, bias in biases.items():
        if not math.isfinite(bias) or abs(bias) > MAX_BIAS:
            raise InvalidRequest(
                f"A bias of 'logit_bias' is from -{MAX_BIAS:g} to {MAX_BIAS:g}; that of token "
                f"{token} is {bias:g}.",
                param=f"logit_bias.{token}",
            )
    return tuple(sorted(biases.items()))


def stops(request: Request) -> tuple[str, ...]:
    """Return the texts that end an answer."""
    kind = request.stop.WhichOneof("kind")
    if kind == "text":
        return (request.stop.text,)
    return tuple(request.stop.texts.texts) if kind == "texts" else ()
