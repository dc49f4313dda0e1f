"""The probabilities that some rows of a batch ask for, from the same step as their tokens."""

from collections.abc import Iterator, Mapping, Sequence

import mlx.core as mx
import numpy as np

from bodega.backends.base import Logprobs, Row
from bodega.backends.lm.likeliest import likeliest


class LogprobRows:
    """Those rows of a batch that ask for probabilities."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._asking = [
            (at, row.top_logprobs) for at, row in enumerate(rows) if row.top_logprobs is not None
        ]
        if self._asking:
            self._at = mx.array([at for at, _ in self._asking])
            self._most = max(top for _, top in self._asking)

    def __bool__(self) -> bool:
        return bool(self._asking)

    def ask(self, logits: mx.array) -> "Asked":
        """Take the raw logits, shape (rows, vocabulary); lazy."""
        return Asked(self._asking, self._at, logits[self._at], self._most)


class Asked:
    """The probabilities of one step, before and after it has chosen."""

    def __init__(
        self, asking: Sequence[tuple[int, int]], rows: mx.array, logits: mx.array, most: int
    ) -> None:
        self._asking = asking
        self._rows = rows
        self._logits = logits
        self._total = mx.logsumexp(logits, axis=-1, keepdims=True)
        self._chosen = logits[:, :0]
        self._ids: mx.array | None = None
        if most:
            self._ids = likeliest(logits, most)
            self._top = mx.take_along_axis(logits, self._ids, axis=-1) - self._total

    def chose(self, tokens: mx.array) -> None:
        """Take what was chosen for all rows of the batch, shape (rows,)."""
        own = tokens[self._rows][:, None]
        self._chosen = mx.take_along_axis(self._logits, own, axis=-1) - self._total

    def arrays(self) -> Iterator[mx.array]:
        """Yield what is to be computed."""
        yield self._chosen
        if self._ids is not None:
            yield from (self._ids, self._top)

    def read(self) -> Mapping[int, Logprobs]:
        """Wait for the probabilities; return those of each row that asks, by its place."""
        chosen = np.array(self._chosen)[:, 0].tolist()
        if self._ids is None:
            return {
                at: Logprobs(own, ()) for (at, _), own in zip(self._asking, chosen, strict=True)
            }
        top, ids = np.array(self._top), np.array(self._ids)
        order = np.lexsort((ids, -top), axis=-1)
        pairs = [
            tuple(zip(line_ids.tolist(), line_top.tolist(), strict=True))
            for line_ids, line_top in zip(
                np.take_along_axis(ids, order, axis=-1),
                np.take_along_axis(top, order, axis=-1),
                strict=True,
            )
        ]
        return {
            at: Logprobs(own, top[:most])
            for (at, most), own, top in zip(self._asking, chosen, pairs, strict=True)
        }
