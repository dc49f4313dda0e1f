"""One row's answer: its tokens become text, and it ends by a stop or by its length."""

from collections.abc import Set

from bodega.backends.base import Logprobs, TextDecoding
from bodega.engine.request import Delta, Finish, Generation
from bodega.engine.text.detokenizer import Detokenizer
from bodega.engine.text.stops import Span, StopMatcher
from bodega.engine.text.trail import LogprobTrail


class Answer:
    """The state of one answer between its tokens.

    Attributes:
        tokens: what was generated so far.
    """

    def __init__(self, request: Generation, decoding: TextDecoding, stop_tokens: Set[int]) -> None:
        self._max_tokens = request.max_tokens
        self._stop_tokens = stop_tokens
        self._markers = decoding.markers
        self._detokenizer = Detokenizer(decoding)
        self._stops = StopMatcher(request.stops)
        self._trail = (
            LogprobTrail(decoding.token_bytes) if request.top_logprobs is not None else None
        )
        self._plain = not request.stops and self._trail is None
        self.tokens: list[int] = []

    def push(self, token: int, logprobs: Logprobs | None = None) -> Delta:
        """Take the next token in; return what is new, which tells if the answer has ended."""
        self.tokens.append(token)
        if token in self._stop_tokens:
            return self._end("", None, Finish.STOP)
        if token in self._markers:
            text, begin = self._detokenizer.push_marker(token)
            marker = (begin, len(text))
        else:
            text, marker = self._detokenizer.push(token), None
        if self._trail is not None and logprobs is not None:
            self._trail.push(token, logprobs, after=marker[0] if marker is not None else 0)
        if len(self.tokens) >= self._max_tokens:
            return self._end(text, marker, Finish.LENGTH)
        if self._plain:
            return Delta(text, 1) if marker is None else Delta(text, 1, None, (marker,))
        passed = self._stops.push(text, marker)
        return Delta(
            passed.text,
            1,
            Finish.STOP if passed.stopped else None,
            passed.markers,
            self._trail.passed(passed) if self._trail is not None else (),
        )

    def _end(self, text: str, marker: Span | None, finish: Finish) -> Delta:
        passed = self._stops.push(text + self._detokenizer.finish(), marker)
        if passed.stopped:
            finish = Finish.STOP
        else:
            passed = passed.joined(self._stops.finish())
        logprobs = self._trail.passed(passed) if self._trail is not None else ()
        return Delta(passed.text, 1, finish, passed.markers, logprobs)
