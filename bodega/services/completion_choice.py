"""One of the choices of a completion, as it grows."""

import codecs
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bodega.engine.request import Finish, TokenLogprobs
from bodega.engine.stream import AnswerStream


class CompletionPiece(NamedTuple):
    """What is new of one of the choices.

    Attributes:
        choice: which one, from 0.
        text: what to append.
        logprobs: of the tokens it took, if asked for.
        offsets: where each of them begins in the choice's text, in characters.
        finish: why the choice ended, in its last piece only.
    """

    choice: int
    text: str
    logprobs: Sequence[TokenLogprobs]
    offsets: Sequence[int]
    finish: Finish | None


class CompletionChoice:
    """One of the choices of a completion, as it grows.

    Attributes:
        stream: where its text comes from; None if nothing is generated.
        tokens: how many were generated so far.
    """

    def __init__(self, index: int, stream: AnswerStream | None, *, beginning: str) -> None:
        """Make one.

        Args:
            index: which one, from 0.
            stream: where its text comes from; None if nothing is generated.
            beginning: a text to begin with.
        """
        self.stream = stream
        self.tokens = 0
        self._index = index
        self._beginning = beginning
        self._offsets = _Offsets(len(beginning))
        self._finish: Finish | None = None

    @property
    def outcome(self) -> str | None:
        """Why it ended, as the log has it; None until it has."""
        return None if self._finish is None else self._finish.value

    def advance(self) -> CompletionPiece | None:
        """Return what is new, None if nothing is.

        Raises:
            BodegaError: it has ended with an error.
        """
        if self.stream is None:
            self._finish = Finish.LENGTH
            return CompletionPiece(self._index, self._beginning, (), (), self._finish)
        deltas = self.stream.take()
        if not deltas:
            return None
        self.tokens += sum([delta.tokens for delta in deltas])
        self._finish = deltas[-1].finish
        text = self._beginning + "".join([delta.text for delta in deltas])
        self._beginning = ""
        logprobs = [told for delta in deltas for told in delta.logprobs]
        offsets = self._offsets.of(told.token for told in logprobs)
        return CompletionPiece(self._index, text, logprobs, offsets, self._finish)


class _Offsets:
    """Counts the characters before each token, of which one may have a part only."""

    def __init__(self, chars: int) -> None:
        self._chars = chars
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def of(self, tokens: Iterable[bytes]) -> list[int]:
        offsets = []
        for token in tokens:
            offsets.append(self._chars)
            self._chars += len(self._utf8.decode(token))
        return offsets
