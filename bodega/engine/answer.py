"""One row's answer: its tokens become text, and it ends by a stop or by its length."""

from collections.abc import Set

from bodega.backends.base import TextDecoding
from bodega.engine.request import Delta, Finish, Generation
from bodega.engine.text.detokenizer import Detokenizer
from bodega.engine.text.stops import StopMatcher


class Answer:
    """The state of one answer between its tokens.

    Attributes:
        tokens: what was generated so far.
    """

    def __init__(self, request: Generation, decoding: TextDecoding, stop_tokens: Set[int]) -> None:
        self._max_tokens = request.max_tokens
        self._stop_tokens = stop_tokens
        self._detokenizer = Detokenizer(decoding)
        self._stops = StopMatcher(request.stops)
        self.tokens: list[int] = []

    def push(self, token: int) -> Delta:
        """Take the next token in; return what is new, which tells if the answer has ended."""
        self.tokens.append(token)
        if token in self._stop_tokens:
            return self._end("", Finish.STOP)
        text = self._detokenizer.push(token)
        if len(self.tokens) >= self._max_tokens:
            return self._end(text, Finish.LENGTH)
        text, stopped = self._stops.push(text)
        return Delta(text, 1, Finish.STOP if stopped else None)

    def _end(self, text: str, finish: Finish) -> Delta:
        text, stopped = self._stops.push(text + self._detokenizer.finish())
        if stopped:
            return Delta(text, 1, Finish.STOP)
        return Delta(text + self._stops.finish(), 1, finish)
