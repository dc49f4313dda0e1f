"""Attention caches of rows that decode together; rows come and go without copying the others.

mlx-lm's own batched cache is copied whole whenever a row comes or goes, and keeps the padding of
its rows in an array alone: to read it there is to wait for the step in flight, once a layer.
"""

from collections.abc import Sequence
from typing import Any, Self

import mlx.core as mx
from mlx_lm.models.cache import BatchKVCache, KVCache

from bodega.backends.lengths import PAGE_TOKENS

SHORT_COLUMNS = 512
"""Up to here a cache grows in small steps: the longer it is, the seldomer it is to be copied."""

MOVED_SHARE = 0.25
"""Rows that may change their place before a cache is copied instead, as a share of its rows."""


class PaddedCache(BatchKVCache):  # type: ignore[misc] # mlx-lm is not typed
    """One layer's keys and values, padded on the left.

    They are a part of larger arrays, which MLX changes in place: the first rows, and the columns
    from the first that is not padding to all of them.

    Attributes:
        keys: shape (rows and spare ones, heads, columns and spare ones, head size).
        values: the same; their head size may be another.
        padding: columns before each row's first token; what `left_padding` holds on the device.
    """

    keys: mx.array
    values: mx.array
    offset: mx.array
    left_padding: mx.array
    _idx: int

    def __init__(self, left_padding: Sequence[int]) -> None:
        super().__init__(list(left_padding))
        self.padding = list(left_padding)
        # The first column; `_idx` counts from here.
        self._first = 0
        self._right: list[int] = []

    @property
    def step(self) -> int:
        """Columns by which the cache grows."""
        return 64 if self._idx < SHORT_COLUMNS else 256

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Append columns to each row; return all of them."""
        columns = keys.shape[2]
        if self.empty():
            self._allocate(keys, values, rows=len(self.padding), columns=columns)
        elif self._first + self._idx + columns > self.keys.shape[2]:
            self._move(rows=len(self.padding), columns=columns)
        rows, begin = len(self.padding), self._first + self._idx
        self.keys[:rows, :, begin : begin + columns] = keys
        self.values[:rows, :, begin : begin + columns] = values
        self._idx += columns
        self.offset = self.offset + columns
        return self.keys_and_values()

    def keys_and_values(self) -> tuple[mx.array, mx.array]:
        """Return the rows' keys and values, shape (rows, heads, columns, head size)."""
        rows, columns = len(self.padding), slice(self._first, self._first + self._idx)
        return self.keys[:rows, :, columns], self.values[:rows, :, columns]

    def make_mask(
        self,
        N: int,
        return_array: bool = False,
        window_size: int | None = None,
    ) -> mx.array | None:
        """Return which columns a query sees; None for all."""
        if N == 1 and not (return_array or window_size or any(self.padding)):
            return None
        mask: mx.array = super().make_mask(N, window_size=window_size)
        return mask

    def prepare(self, *, lengths: Sequence[int], right_padding: Sequence[int]) -> None:
        """Expect a prompt a row, each with some padding on the right."""
        super().prepare(lengths=lengths, right_padding=right_padding)
        self._right = list(right_padding)

    def finalize(self) -> None:
        """Move the padding of the prompts, which have been run, to the left."""
        self.keys, self.values = self.keys_and_values()
        self._first = 0
        super().finalize()
        self.padding = [left + right for left, right in zip(self.padding, self._right, strict=True)]
        # A row with much behind it had little to run, and another the other way round.
        self.filter(range(len(self.padding)))

    def filter(self, batch_indices: Sequence[int]) -> None:
        """Keep these rows alone, in this order, and no column that is padding to all of them.

        The others are not copied where all but a few keep their places, those few come from behind
        the last place, and what is left free is within what a page more for each row would take.
        """
        kept, rows = list(batch_indices), len(batch_indices)
        padding = [self.padding[at] for at in kept]
        spare = min(padding)
        self.padding = [columns - spare for columns in padding]
        self._first += spare
        self._idx -= spare
        chosen = mx.array(kept)
        self.offset = self.offset[chosen]
        self.left_padding = self.left_padding[chosen] - spare
        moved = [(at, old) for at, old in enumerate(kept) if at != old]
        size = self.keys.shape[0] * self.keys.shape[2]
        if (
            len(moved) <= MOVED_SHARE * rows
            and all(old >= rows for _, old in moved)
            and size <= rows * (self._idx + PAGE_TOKENS)
        ):
            for at, old in moved:
                self.keys[at] = self.keys[old]
                self.values[at] = self.values[old]
        else:
            self.keys = self.keys[chosen, :, self._first :]
            self.values = self.values[chosen, :, self._first :]
            self._first = 0

    def extend(self, other: "PaddedCache") -> None:
        """Take in the rows of another one, which is used up."""
        old, rows = len(self.padding), len(self.padding) + len(other.padding)
        shift = max(0, other._idx - self._idx)
        if self.keys.shape[0] < rows or self._first < shift:
            self._move(rows=rows, columns=1, left=shift)
        self._first -= shift
        self._idx += shift
        behind = self._idx - other._idx
        keys, values = other.keys_and_values()
        begin, end = self._first + behind, self._first + self._idx
        # What has left may have been no number, and no weight makes that nothing.
        self.keys[old:rows, :, :begin] = 0
        self.values[old:rows, :, :begin] = 0
        self.keys[old:rows, :, begin:end] = keys
        self.values[old:rows, :, begin:end] = values
        self.offset = mx.concatenate([self.offset, other.offset])
        self.left_padding = mx.concatenate([self.left_padding + shift, other.left_padding + behind])
        self.padding = [each + shift for each in self.padding]
        self.padding += [each + behind for each in other.padding]

    def extract(self, idx: int) -> KVCache:
        """Return a cache of one row alone, without padding; lazy."""
        cache = KVCache()
        columns = slice(self._first + self.padding[idx], self._first + self._idx)
        cache.keys = mx.contiguous(self.keys[idx : idx + 1, :, columns])
        cache.values = mx.contiguous(self.values[idx : idx + 1, :, columns])
        cache.offset = self._idx - self.padding[idx]
        return cache

    def _allocate(self, keys: mx.array, values: mx.array, *, rows: int, columns: int) -> None:
        """Make new arrays that are like these."""
        size = -(-columns // self.step) * self.step
        self.keys = mx.zeros((rows, keys.shape[1], size, keys.shape[3]), keys.dtype)
        self.values = mx.zeros((rows, values.shape[1], size, values.shape[3]), values.dtype)

    def _move(self, *, rows: int, columns: int, left: int = 0) -> None:
        """Move everything into arrays for so many rows, with room for more columns.

        Args:
            rows: how many there are to be.
            columns: how many more are needed.
            left: columns to leave free on the left.
        """
        keys, values = self.keys_and_values()
        end = left + self._idx
        self._allocate(keys, values, rows=rows, columns=end + columns)
        self.keys[: keys.shape[0], :, left:end] = keys
        self.values[: keys.shape[0], :, left:end] = values
        self._first = left

    @classmethod
    def merge(cls, caches: Sequence[KVCache]) -> Self:
        """Return one cache for rows that have one each."""
        merged: Any = super().merge(caches)
        if not isinstance(merged, cls):
            return cls(merged.left_padding.tolist())  # of rows that have nothing yet
        return merged


def merge(caches: Sequence[list[Any]]) -> list[Any]:
    """Return one batched cache a layer for rows that have one of mlx-lm's caches a layer each."""
    return [
        (PaddedCache if type(layer[0]) is KVCache else layer[0]).merge(list(layer))
        for layer in zip(*caches, strict=True)
    ]
