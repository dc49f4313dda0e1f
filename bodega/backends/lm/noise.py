"""Noise for sampling: a function of seed, position and token id, and of nothing else.

A random stream would tie a row's noise to the batch it runs in. Hashing a
counter does not (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
2011): a row draws the same noise alone and among others, over a few candidates
and over the whole vocabulary.
"""

import mlx.core as mx

_MASK_64 = (1 << 64) - 1


def row_key(seed: int, position: int) -> tuple[int, int]:
    """Return the two 32-bit keys of a row's noise at a position (splitmix64)."""
    mixed = _splitmix64(_splitmix64(seed & _MASK_64) ^ (position & _MASK_64))
    return mixed & 0xFFFFFFFF, mixed >> 32


def gumbel(token_ids: mx.array, keys: mx.array) -> mx.array:
    """Return Gumbel noise for tokens.

    Args:
        token_ids: uint32, shape (rows or 1, tokens).
        keys: uint32, shape (rows, 2), from `row_key`.

    Returns:
        float32, shape (rows, tokens). Adding it to logits and taking the
        largest draws from their softmax (the Gumbel-max trick).
    """
    hashed = _mix(_mix(token_ids ^ keys[:, :1]) + keys[:, 1:])
    # Counting from the small end keeps full precision where the noise is large.
    tail = mx.minimum((hashed.astype(mx.float32) + 0.5) * 2.0**-32, 1.0 - 2.0**-24)
    return -mx.log(-mx.log1p(-tail))


def _splitmix64(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & _MASK_64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK_64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK_64
    return value ^ (value >> 31)


def _mix(value: mx.array) -> mx.array:
    # A 32-bit finalizer with low bias: xor-shift and odd multiplications.
    value = (value ^ (value >> 16)) * mx.array(0x7FEB352D, mx.uint32)
    value = (value ^ (value >> 15)) * mx.array(0x846CA68B, mx.uint32)
    return value ^ (value >> 16)
