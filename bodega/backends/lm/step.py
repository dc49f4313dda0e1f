"""One token for each row of a batch, on its way from the device."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import mlx.core as mx

from bodega.backends.base import Chosen, Row, Tokens
from bodega.backends.lm.logprobs import Asked
from bodega.backends.lm.masks import Failures


@dataclass(slots=True, kw_only=True)
class Step:
    """What was chosen for some rows.

    Attributes:
        rows: the rows.
        tokens: uint32, shape (rows,); lazy.
        unsure: bool, shape (): whether `again` may choose otherwise; lazy. None if it cannot.
        again: chooses anew, without mistake.
        asked: what is to be told of probabilities; None where no row asks.
        failures: the places of rows for which none could be chosen, and why.
        guided: whether any of the rows has a guide.
    """

    rows: Sequence[Row]
    tokens: mx.array
    unsure: mx.array | None = None
    again: Callable[[], mx.array] | None = None
    asked: Asked | None = None
    failures: Failures
    guided: bool = False

    def arrays(self) -> Iterator[mx.array]:
        """Yield what is to be computed."""
        yield self.tokens
        if self.unsure is not None:
            yield self.unsure
        if self.asked is not None:
            yield from self.asked.arrays()

    def correct(self) -> dict[int, int]:
        """Wait for the tokens, and set right what is wrong; return the right tokens by row id."""
        if self.unsure is None or self.again is None or not self.unsure.item():
            return {}
        wrong: list[int] = self.tokens.tolist()  # type: ignore[assignment]
        self.tokens = self.again()
        right: list[int] = self.tokens.tolist()  # type: ignore[assignment]
        if right == wrong:
            return {}
        if self.asked is not None:
            self.asked.chose(self.tokens)
        return {
            row.id: token
            for row, token, other in zip(self.rows, right, wrong, strict=True)
            if token != other
        }

    def read(self) -> Tokens:
        """Wait for the tokens and return them; guides take them in."""
        values: list[int] = self.tokens.tolist()  # type: ignore[assignment]
        if self.guided:
            self._push(values)
        if self.asked is None and not self.failures:
            return [Chosen(row.id, token) for row, token in zip(self.rows, values, strict=True)]
        logprobs = self.asked.read() if self.asked is not None else {}
        return [
            Chosen(row.id, token, logprobs.get(at), self.failures.get(at))
            for at, (row, token) in enumerate(zip(self.rows, values, strict=True))
        ]

    def _push(self, values: Sequence[int]) -> None:
        for at, (row, token) in enumerate(zip(self.rows, values, strict=True)):
            if row.guide is not None and at not in self.failures:
                row.guide.push(token)
