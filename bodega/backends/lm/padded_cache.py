"""Attention caches of rows that decode together, whose padding is known without the device.

mlx-lm's own batched cache keeps the padding of its rows in an array alone. To read it there is
to wait for the step in flight, once a layer, whenever a row leaves.
"""

from collections.abc import Sequence
from typing import Any, Self

import mlx.core as mx
from mlx_lm.models.cache import BatchKVCache, KVCache

SHORT_COLUMNS = 512
"""Up to here a cache grows in small steps: each row that comes or goes copies the spare columns."""


class PaddedCache(BatchKVCache):  # type: ignore[misc] # mlx-lm is not typed
    """One layer's keys and values, shape (rows, heads, columns, head size), padded on the left.

    Attributes:
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
        self._right: list[int] = []

    @property
    def step(self) -> int:
        """Columns by which the cache grows."""
        return 64 if self._idx < SHORT_COLUMNS else 256

    def prepare(self, *, lengths: Sequence[int], right_padding: Sequence[int]) -> None:
        """Expect a prompt a row, each with some padding on the right."""
        super().prepare(lengths=lengths, right_padding=right_padding)
        self._right = list(right_padding)

    def finalize(self) -> None:
        """Move the padding of the prompts, which have been run, to the left."""
        super().finalize()
        self.padding = [left + right for left, right in zip(self.padding, self._right, strict=True)]
        if min(self.padding):
            # A row with much behind it had little to run, and another the other way round.
            self.filter(range(len(self.padding)))

    def filter(self, batch_indices: Sequence[int]) -> None:
        """Keep these rows alone, and no column that is padding to all of them."""
        kept = mx.array(list(batch_indices))
        padding = [self.padding[at] for at in batch_indices]
        spare = min(padding)
        self.keys = self.keys[kept, :, spare:]
        self.values = self.values[kept, :, spare:]
        self.offset = self.offset[kept]
        self.left_padding = self.left_padding[kept] - spare
        self.padding = [columns - spare for columns in padding]
        self._idx -= spare

    def extend(self, other: "PaddedCache") -> None:
        """Take in the rows of another one, which is used up."""
        columns = max(self._idx, other._idx)
        self.padding = [
            columns - cache._idx + each for cache in (self, other) for each in cache.padding
        ]
        super().extend(other)

    def extract(self, idx: int) -> KVCache:
        """Return a cache of one row alone, without padding; lazy."""
        cache = KVCache()
        first = self.padding[idx]
        cache.keys = mx.contiguous(self.keys[idx : idx + 1, :, first : self._idx])
        cache.values = mx.contiguous(self.values[idx : idx + 1, :, first : self._idx])
        cache.offset = self._idx - first
        return cache

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
