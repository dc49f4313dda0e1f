"""Layers for MLX on a CPU, which makes its fused operations of a dozen small ones each.

A small model's step is all overhead: each operation is a node, a buffer and a task for MLX's
thread, and half of them are of two layers, the norm and the rotation. Compiled, they are a few,
and their numbers are the same. A model of four layers steps a sixth faster so. Weights that stay in
half precision are rounded between the small ones, so MLX's own layers run there.
"""

import math
from functools import partial
from typing import Final

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_unflatten

_compiled: Final = partial(mx.compile, shapeless=True)


def fuse(model: nn.Module) -> None:
    """Put these layers in the place of MLX's own that they can stand for.

    Where MLX finds no C++ compiler they run as they are written: as many operations as before.
    """
    places = [
        (name, type(layer), layer)
        for name, layer in model.named_modules()
        if type(layer) is nn.RMSNorm or (type(layer) is nn.RoPE and not layer.traditional)
    ]
    fused = [(name, _FUSED[kind](layer)) for name, kind, layer in places]
    model.update_modules(tree_unflatten(fused))


class FusedNorm(nn.RMSNorm):  # type: ignore[misc] # mlx is not typed
    """`mlx.nn.RMSNorm`, to the bit."""

    def __init__(self, layer: nn.RMSNorm) -> None:
        nn.Module.__init__(self)
        self.weight = layer.weight
        self.eps = layer.eps
        # Arrays, so that one kernel serves all sizes: to compile one takes a second.
        self._share = mx.array(1.0 / layer.weight.shape[0])
        self._eps = mx.array(layer.eps)

    def __call__(self, x: mx.array) -> mx.array:
        """Return the normed vectors along the last axis."""
        if x.dtype != mx.float32 or self.weight.dtype != mx.float32:
            own: mx.array = super().__call__(x)
            return own
        total = mx.sum(mx.square(x), axis=-1, keepdims=True)
        return _scaled(x, total, self.weight, self._share, self._eps)


class FusedRotation(nn.RoPE):  # type: ignore[misc] # mlx is not typed
    """`mlx.nn.RoPE`, to the bit, where it rotates halves against each other."""

    def __init__(self, layer: nn.RoPE) -> None:
        super().__init__(layer.dims, layer.traditional, layer.base, layer.scale)
        half = layer.dims // 2
        # In single precision, as MLX divides.
        step = np.float32(math.log(np.float32(layer.base))) / np.float32(half)
        self._frequencies = mx.exp(mx.arange(0, -half, -1, dtype=mx.float32) * float(step))

    def __call__(self, x: mx.array, offset: int | mx.array = 0) -> mx.array:
        """Return the rotated vectors.

        Args:
            x: shape (rows, heads, columns, head size).
            offset: position of the first column, one for all or one a row.
        """
        if x.dtype != mx.float32 or x.ndim != 4:
            own: mx.array = super().__call__(x, offset)
            return own
        positions = mx.arange(x.shape[-2], dtype=mx.float32)[:, None]
        if isinstance(offset, mx.array) and offset.ndim:
            offset = offset[:, None, None, None]
        angles = (positions + offset) * self.scale * self._frequencies
        half = self.dims // 2
        parts = _rotated(x[..., :half], x[..., half : self.dims], mx.cos(angles), mx.sin(angles))
        rest = [x[..., self.dims :]] if x.shape[-1] > self.dims else []
        return mx.concatenate([*parts, *rest], axis=-1)


_FUSED: Final = {nn.RMSNorm: FusedNorm, nn.RoPE: FusedRotation}


@_compiled
def _scaled(
    x: mx.array, total: mx.array, weight: mx.array, share: mx.array, eps: mx.array
) -> mx.array:
    return x * mx.rsqrt(total * share + eps) * weight


@_compiled
def _rotated(
    first: mx.array, second: mx.array, cos: mx.array, sin: mx.array
) -> tuple[mx.array, mx.array]:
    return first * cos - second * sin, first * sin + second * cos
