"""What chats and completions ask for alike."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from bodega.backends.base import Sampling, TextModelInfo
from bodega.errors import InvalidRequest
from bodega.limits import MAX_STOP_CHARS, MAX_STOPS, MAX_USER_CHARS


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """What is asked for, whatever it is made of; None and empty mean the default.

    Numbers are in their ranges already.

    Attributes:
        request_id: the caller's id for the request, for the log.
        seed: the request's own; None draws one.
        n: how many choices to give.
        top_logprobs: how many of the likeliest tokens to tell of beside each; None to tell no
            probabilities at all.
        user: the caller's name for the end user, for the log.
    """

    request_id: str = ""
    model: str
    max_tokens: int | None = None
    sampling: Sampling
    seed: int | None = None
    n: int = 1
    top_logprobs: int | None = None
    stops: tuple[str, ...] = ()
    user: str | None = None


def check_generation(request: GenerationRequest, info: TextModelInfo) -> None:
    """Check what can be checked before the prompt is looked at.

    Raises:
        InvalidRequest: a value cannot be honoured by this model.
    """
    if len(request.stops) > MAX_STOPS:
        raise InvalidRequest(f"At most {MAX_STOPS} stop texts are taken.", param="stop")
    for stop in request.stops:
        if not 0 < len(stop) <= MAX_STOP_CHARS:
            raise InvalidRequest(f"A stop text has 1 to {MAX_STOP_CHARS} characters.", param="stop")
    if request.user is not None and len(request.user) > MAX_USER_CHARS:
        raise InvalidRequest(f"'user' has at most {MAX_USER_CHARS} characters.", param="user")
    for token, _ in request.sampling.biases:
        if not 0 <= token < info.vocabulary_size:
            raise InvalidRequest(
                f"'logit_bias' names the token {token}; the model's are 0 to "
                f"{info.vocabulary_size - 1}.",
                param=f"logit_bias.{token}",
            )


def samplings(request: GenerationRequest) -> Sequence[Sampling]:
    """Return how each of the choices is sampled: alike, with a seed of its own.

    The first has the request's seed itself; the others' follow from it.
    """
    seed = secrets.randbits(63) if request.seed is None else request.seed
    return [replace(request.sampling, seed=_choice_seed(seed, index)) for index in range(request.n)]


def _choice_seed(seed: int, index: int) -> int:
    if index == 0:
        return seed
    digest = blake2b(f"{seed} {index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
