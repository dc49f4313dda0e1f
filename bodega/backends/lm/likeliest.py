"""The likeliest tokens of each row, found without sorting a vocabulary."""

import mlx.core as mx

BLOCKS_EACH = 16
"""Blocks for each token that is looked for: their count and size balance the two searches."""


def likeliest(logits: mx.array, count: int) -> mx.array:
    """Return the ids of each row's likeliest tokens, in no order.

    The largest so many values are in the so many blocks whose largest values are largest, so
    only those are partitioned: to partition all takes ten times as long.

    Args:
        logits: shape (rows, vocabulary).
        count: how many, at most the vocabulary.

    Returns:
        uint32, shape (rows, count).
    """
    rows, size = logits.shape
    width = size // (count * BLOCKS_EACH)
    if width < 8:
        return mx.argpartition(logits, -count, axis=-1)[:, -count:]
    blocks = size // width
    whole = blocks * width
    tops = logits[:, :whole].reshape(rows, blocks, width).max(axis=-1)
    best = mx.argpartition(tops, -count, axis=-1)[:, -count:]
    ids = best[:, :, None] * width + mx.arange(width, dtype=mx.uint32)
    ids = ids.reshape(rows, count * width)
    if whole < size:
        rest = mx.broadcast_to(mx.arange(whole, size, dtype=mx.uint32), (rows, size - whole))
        ids = mx.concatenate([ids, rest], axis=-1)
    values = mx.take_along_axis(logits, ids, axis=-1)
    at = mx.argpartition(values, -count, axis=-1)[:, -count:]
    return mx.take_along_axis(ids, at, axis=-1)
