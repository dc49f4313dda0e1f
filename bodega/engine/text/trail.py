"""The probabilities of tokens, which leave with the text of these."""

from collections.abc import Sequence

from bodega.backends.base import Logprobs
from bodega.engine.request import TokenLogprobs
from bodega.engine.text.stops import Passed


class LogprobTrail:
    """Keeps what is to be told of tokens until their text leaves.

    A token's probabilities leave with the first character that it has a part
    in, and at once while nothing is held back. What a stop text cuts off
    whole never leaves.
    """

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        self._token_bytes = token_bytes
        self._waiting: list[tuple[int, TokenLogprobs]] = []
        self._held = 0

    def push(self, token: int, logprobs: Logprobs, *, after: int = 0) -> None:
        """Take in a token whose text begins after that many characters of the next push."""
        told = TokenLogprobs(
            token=self._token_bytes[token],
            logprob=logprobs.chosen,
            top=tuple((self._token_bytes[other], value) for other, value in logprobs.top),
        )
        self._waiting.append((self._held + after, told))

    def passed(self, passed: Passed) -> tuple[TokenLogprobs, ...]:
        """Return those of the tokens whose text leaves now."""
        end = len(passed.text)
        self._held = passed.held
        everything = not passed.stopped and not passed.held
        leaving = tuple(told for at, told in self._waiting if everything or at < end)
        self._waiting = self._waiting[len(leaving) :]
        if self._waiting:
            self._waiting = [(at - end, told) for at, told in self._waiting]
        return leaving
