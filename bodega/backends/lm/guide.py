"""Holds one answer to a grammar, token by token."""

import re
from collections.abc import Set
from typing import Protocol

import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher

from bodega.errors import BodegaError, InvalidRequest, quoted

Mask = npt.NDArray[np.uint32]
"""A bit for each token id, the lowest first."""

_MAX_REASON_CHARS = 400
_IN_SCHEMA = "failed to compile JSON schema"
_ADVICE = (" Enable 'coerce_one_of' option to approximate oneOf with anyOf", " Write anyOf")
"""What llguidance advises, which is for its callers, and what to say instead."""
_SOURCE = re.compile(r"\n *\d+ \| ")


class Vocabulary(Protocol):
    """What a guide has to know of the model's tokens.

    Attributes:
        words: how long a mask is.
        stop_tokens: token ids that end an answer.
        stops: the mask of just those.
    """

    words: int
    stop_tokens: Set[int]
    stops: Mask


class GrammarGuide:
    """Implements `bodega.backends.base.Guide` with an llguidance matcher.

    Once nothing more can come, only the tokens that end an answer are allowed.
    """

    def __init__(self, matcher: LLMatcher, vocabulary: Vocabulary, param: str) -> None:
        """Make one for an answer that has not begun.

        Args:
            matcher: the grammar's, fresh; the guide's own.
            vocabulary: the model's.
            param: the request's field that asks for it.
        """
        self._matcher = matcher
        self._vocabulary = vocabulary
        self._param = param
        self._ended = False

    def allowed(self) -> Mask:
        """Return the tokens that may come next.

        Raises:
            InvalidRequest: none may, or it costs too much to tell.
        """
        if self._ended:
            return self._vocabulary.stops
        mask = compute_mask(self._matcher, self._vocabulary.words)
        if self._matcher.is_error():
            raise refused(self._param, self._matcher.get_error())
        return mask

    def push(self, token: int) -> None:
        """Take in the token that was chosen."""
        if self._ended:
            return
        if token in self._vocabulary.stop_tokens:
            self._ended = True
        else:
            self._matcher.consume_token(token)


def compute_mask(matcher: LLMatcher, words: int) -> Mask:
    """Return what a matcher allows next; rubbish if it is in an error."""
    mask = np.empty(words, np.uint32)
    matcher.unsafe_compute_mask_ptr(mask.ctypes.data, mask.nbytes)
    return mask


def refused(param: str, reason: str, place: str | None = None) -> BodegaError:
    """Return the error for a grammar that an answer cannot be held to.

    Args:
        param: the request's field that asks for it.
        reason: what llguidance says.
        place: where in a schema it is, if known.
    """
    reason = plain_reason(reason)
    if place is not None:
        reason = f"{reason}, at {quoted(place)} of the schema"
    return InvalidRequest(f"No answer can be held to {param!r}: {reason}.", param=param)


def plain_reason(reason: str) -> str:
    """Return what llguidance says, without what it shows of the grammar."""
    # The caller may not have written that: a request's parts are put together.
    reason = _SOURCE.split(reason.partition("; following special tokens")[0])[0]
    reason = " ".join(reason.removesuffix("<non-verbose/>").split())
    if reason.startswith("NoExtension"):
        return "nothing can come next"
    reason = reason.replace(*_ADVICE)
    if _IN_SCHEMA in reason:
        reason = reason[reason.index(_IN_SCHEMA) :]
    return reason[:_MAX_REASON_CHARS]


def is_of_schema(reason: str) -> bool:
    """Whether llguidance tells of a JSON schema, without its place."""
    return _IN_SCHEMA in reason
