"""Closes the thinking of one answer when it has had its tokens."""

import codecs
import json
import re
from collections.abc import Sequence

from llguidance import LLMatcher

from bodega.backends.base import TextDecoding, ThinkingBudget
from bodega.backends.lm.guide import GrammarGuide, Mask, Vocabulary, compute_mask

_MOST_TO_END_A_CHARACTER = 3
"""Tokens that thinking may have beyond its budget so that it does not end within a character."""


class BudgetGuide:
    """Implements `bodega.backends.base.Guide`: thinking is closed when its budget is spent.

    Tokens count while thinking is open. What closes it is then the only thing
    allowed, as far as the constraint that holds beside it allows it too: that
    may want a character or a string to end first.
    """

    def __init__(
        self,
        budget: ThinkingBudget,
        closing: LLMatcher,
        constraint: GrammarGuide | None,
        vocabulary: Vocabulary,
        decoding: TextDecoding,
    ) -> None:
        """Make one for an answer that has not begun.

        Args:
            budget: when thinking is closed, and how.
            closing: the matcher of `closing_grammar`, fresh; the guide's own.
            constraint: what else holds the answer; the guide's own.
            vocabulary: the model's.
            decoding: how its tokens become text.
        """
        self._left = budget.tokens
        self._fresh_closing = closing
        self._closing: LLMatcher | None = None
        self._constraint = constraint
        self._vocabulary = vocabulary
        self._token_bytes = decoding.token_bytes
        self._opens = _Tag(budget.opening, decoding) if budget.opening is not None else None
        self._closes = _Tag(_closing_tag(budget.closing, decoding), decoding)
        self._is_open = budget.opening is None
        self._unfinished = codecs.getincrementaldecoder("utf-8")("replace")
        self._close_if_spent()

    def allowed(self) -> Mask | None:
        """Return the tokens that may come next; None for all.

        Raises:
            InvalidRequest: the constraint allows none, or costs too much.
        """
        mask = self._constraint.allowed() if self._constraint is not None else None
        if self._closing is None:
            return mask
        closing = compute_mask(self._closing, self._vocabulary.words)
        if mask is None:
            return closing
        both = closing & mask
        return both if both.any() else mask

    def push(self, token: int) -> None:
        """Take in the token that was chosen."""
        if self._constraint is not None:
            self._constraint.push(token)
        if self._closing is not None:
            self._push_closing(token)
        elif self._is_open:
            self._left -= 1
            self._unfinished.decode(self._token_bytes[token])
            self._is_open = not self._closes.ends_with(token)
            self._close_if_spent()
        elif self._opens is not None and self._opens.ends_with(token):
            self._is_open = True
            self._close_if_spent()

    def _close_if_spent(self) -> None:
        if not self._is_open or self._left > 0:
            return
        if self._unfinished.getstate()[0] and self._left > -_MOST_TO_END_A_CHARACTER:
            return
        self._closing = self._fresh_closing.deep_copy()

    def _push_closing(self, token: int) -> None:
        closing = self._closing
        taken = closing is not None and closing.try_consume_tokens([token])
        self._is_open = self._is_open and not self._closes.ends_with(token)
        if closing is None or closing.is_stopped() or (not taken and not self._is_open):
            # It is closed, if not with all that is written after the tag.
            self._closing = None
            self._is_open = False


class _Tag:
    """Finds a text at the end of what was generated."""

    def __init__(self, text: str, decoding: TextDecoding) -> None:
        self._text = text.encode()
        self._token_bytes = decoding.token_bytes
        ids = {decoding.token_bytes[token]: token for token in decoding.markers}
        self._token = ids.get(self._text)
        self._end = b""

    def ends_with(self, token: int) -> bool:
        """Take the next token in; return whether the text was completed by it."""
        if self._token is not None:
            return token == self._token
        added = self._token_bytes[token]
        text = self._end + added
        self._end = text[-len(self._text) + 1 :] if len(self._text) > 1 else b""
        return self._text in text


def closing_grammar(closing: str, decoding: TextDecoding) -> str:
    """Return the grammar of a closing text, in which markers are tokens."""
    ids = {decoding.token_bytes[token].decode(): token for token in decoding.markers}
    pieces = [
        f"<[{ids[piece]}]>" if piece in ids else json.dumps(piece, ensure_ascii=False)
        for piece in _pieces(closing, list(ids))
    ]
    return f"start: {' '.join(pieces)}"


def _closing_tag(closing: str, decoding: TextDecoding) -> str:
    """Return what in a closing text closes: its first marker, or all but the space around."""
    markers = [decoding.token_bytes[token].decode() for token in decoding.markers]
    return next((piece for piece in _pieces(closing, markers) if piece in markers), closing.strip())


def _pieces(text: str, markers: Sequence[str]) -> list[str]:
    """Return a text in pieces, so that each marker in it is one."""
    if not markers:
        return [text]
    longest_first = sorted(markers, key=len, reverse=True)
    pattern = "|".join(re.escape(marker) for marker in longest_first)
    return [piece for piece in re.split(f"({pattern})", text) if piece]
