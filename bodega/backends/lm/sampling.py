"""Choose the next token of every row at once, each by its own parameters.

Sorting a vocabulary costs more than a small model's step, so the filters look
at the 256 likeliest tokens and sort everything only when a row's nucleus does
not fit in them. Either way a row chooses the same token.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import mlx.core as mx

from bodega.backends.base import Sampling
from bodega.backends.lm.likeliest import likeliest
from bodega.backends.lm.noise import gumbel, row_key

CANDIDATES = 256
"""How many of the likeliest tokens the filters look at first."""

WIDE_STEPS = 16
"""Steps for which everything is sorted at once after a nucleus did not fit."""

_EVERY = 2**31 - 1


class Sampler:
    """Chooses the tokens of a batch's rows: the greedy, the filtered and the free ones apart."""

    def __init__(self, rows: Sequence[Sampling]) -> None:
        groups: dict[type[_Greedy | _Free | _Filtered], list[int]] = {}
        for at, row in enumerate(rows):
            kind = _Greedy if row.greedy else _Filtered if _filters(row) else _Free
            groups.setdefault(kind, []).append(at)
        self._groups = [
            (kind([rows[at] for at in places]), places) for kind, places in groups.items()
        ]
        self._indices = [mx.array(places) for _, places in self._groups]
        order = [at for _, places in self._groups for at in places]
        self._back = mx.array([order.index(at) for at in range(len(rows))])

    def __call__(self, logits: mx.array, positions: Sequence[int]) -> mx.array:
        """Return the chosen tokens; waits for them where filters are to be looked at again.

        Args:
            logits: float32, shape (rows, vocabulary), penalties taken.
            positions: how many tokens each row has generated before this one.

        Returns:
            uint32, shape (rows,).
        """
        choice = self.choose(logits, positions)
        if choice.unsure is not None and choice.unsure.item():
            return self.choose_widely(logits, positions)
        return choice.tokens

    def choose(self, logits: mx.array, positions: Sequence[int]) -> "Choice":
        """Return what `__call__` returns, perhaps wrong, without waiting for it."""
        choices = [
            group(logits, positions)
            if len(self._groups) == 1
            else group(logits[index], [positions[at] for at in places])
            for (group, places), index in zip(self._groups, self._indices, strict=True)
        ]
        if len(choices) == 1:
            return choices[0]
        # One group alone has filters.
        unsure = next((one.unsure for one in choices if one.unsure is not None), None)
        return Choice(mx.concatenate([one.tokens for one in choices])[self._back], unsure)

    def choose_widely(self, logits: mx.array, positions: Sequence[int]) -> mx.array:
        """Return what is right where `choose` was unsure; for some steps it sorts everything."""
        for group, _ in self._groups:
            group.widen()
        return self.choose(logits, positions).tokens


class Choice(NamedTuple):
    """What was chosen.

    Attributes:
        tokens: uint32, shape (rows,); lazy.
        unsure: bool, shape (): whether some of them may be wrong, as a row keeps more tokens than
            were looked at; lazy. None where none can be.
    """

    tokens: mx.array
    unsure: mx.array | None = None


class _Greedy:
    """Rows that take the likeliest token."""

    def __init__(self, rows: Sequence[Sampling]) -> None:
        pass

    def widen(self) -> None:
        pass

    def __call__(self, logits: mx.array, positions: Sequence[int]) -> Choice:
        return Choice(mx.argmax(logits, axis=-1))


class _Free:
    """Rows that may choose any token. Parameters are columns, of shape (rows, 1)."""

    def __init__(self, rows: Sequence[Sampling]) -> None:
        self._rows = rows
        self._temperature = _column([row.temperature for row in rows])

    def widen(self) -> None:
        pass

    def __call__(self, logits: mx.array, positions: Sequence[int]) -> Choice:
        ids = mx.arange(logits.shape[-1], dtype=mx.uint32)[None]
        noise = gumbel(ids, _keys(self._rows, positions))
        return Choice(mx.argmax(logits / self._temperature + noise, axis=-1))


class _Filtered:
    """Rows that choose among likely tokens. Parameters are columns, of shape (rows, 1)."""

    def __init__(self, rows: Sequence[Sampling]) -> None:
        self._rows = rows
        self._temperature = _column([row.temperature for row in rows])
        # Above 1, so that rounding of the sum never cuts a row that wants everything.
        self._top_p = _column([row.top_p if row.top_p < 1.0 else 2.0 for row in rows])
        self._has_top_p = any(row.top_p < 1.0 for row in rows)
        self._top_k = mx.array([[row.top_k or _EVERY] for row in rows])
        self._has_top_k = any(row.top_k for row in rows)
        self._log_min_p = _column([math.log(row.min_p) if row.min_p else -1e30 for row in rows])
        # Rows that cannot keep more than the candidates.
        fitting = [0 < row.top_k <= CANDIDATES for row in rows]
        self._fitting = mx.array([[fits] for fits in fitting])
        self._all_fit = all(fitting)
        self._wide_steps_left = 0

    def widen(self) -> None:
        self._wide_steps_left = WIDE_STEPS

    def __call__(self, logits: mx.array, positions: Sequence[int]) -> Choice:
        scaled = logits / self._temperature
        total = mx.logsumexp(scaled, axis=-1, keepdims=True) if self._has_top_p else None
        narrow = scaled.shape[-1] > CANDIDATES and self._wide_steps_left == 0
        self._wide_steps_left = max(0, self._wide_steps_left - 1)
        ids, ordered = _likeliest_first(scaled, likeliest(scaled, CANDIDATES) if narrow else None)
        keep = self._keep(ordered, total)
        noise = gumbel(ids, _keys(self._rows, positions))
        scores = mx.where(keep, ordered + noise, -mx.inf)
        at = mx.argmax(scores, axis=-1, keepdims=True)
        tokens = mx.take_along_axis(ids, at, axis=-1)[:, 0]
        # If the last candidate is kept, more might have been.
        may_miss = narrow and not self._all_fit
        return Choice(tokens, mx.any(keep[:, -1:] & ~self._fitting) if may_miss else None)

    def _keep(self, ordered: mx.array, total: mx.array | None) -> mx.array:
        """Return which of the ordered tokens each row keeps.

        Tokens as likely as the last of them are kept too: logits of half precision tie often,
        and which of equals comes first differs from one way of sorting to another.
        """
        keep = ordered >= ordered[:, :1] + self._log_min_p
        if self._has_top_k:
            among = mx.arange(ordered.shape[-1])[None] < self._top_k
            keep = keep & among
        if total is not None:
            if self._has_top_k:
                # Where a row has both, the nucleus is one of its top_k distribution.
                own = mx.logsumexp(mx.where(among, ordered, -mx.inf), axis=-1, keepdims=True)
                total = mx.where(self._top_k < _EVERY, own, total)
            mass = mx.cumsum(mx.exp(ordered - total), axis=-1)
            before = mx.pad(mass[:, :-1], [(0, 0), (1, 0)])
            keep = keep & (before < self._top_p)
        return ordered >= _least(ordered, keep)


def _filters(row: Sampling) -> bool:
    return row.top_p < 1.0 or row.top_k > 0 or row.min_p > 0.0


def _keys(rows: Sequence[Sampling], positions: Sequence[int]) -> mx.array:
    return mx.array(
        [row_key(row.seed, at) for row, at in zip(rows, positions, strict=True)], mx.uint32
    )


def _column(values: Sequence[float]) -> mx.array:
    return mx.array(list(values), mx.float32)[:, None]


def _likeliest_first(scaled: mx.array, ids: mx.array | None) -> tuple[mx.array, mx.array]:
    if ids is None:
        ids = mx.argsort(-scaled, axis=-1)
        return ids, mx.take_along_axis(scaled, ids, axis=-1)
    logits = mx.take_along_axis(scaled, ids, axis=-1)
    order = mx.argsort(-logits, axis=-1)
    return mx.take_along_axis(ids, order, axis=-1), mx.take_along_axis(logits, order, axis=-1)


def _least(ordered: mx.array, keep: mx.array) -> mx.array:
    """Return the least kept logit of each row."""
    return mx.min(mx.where(keep, ordered, mx.inf), axis=-1, keepdims=True)
