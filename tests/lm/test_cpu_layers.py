"""The layers for the CPU compute what MLX's own do, to the bit, and take their places."""

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx.utils import tree_flatten

from bodega.backends import device
from bodega.backends.lm.cpu_layers import FusedNorm, FusedRotation, fuse

pytestmark = pytest.mark.skipif(not device.on_cpu(), reason="MLX computes on a GPU here")


@pytest.mark.parametrize("shape", [(1, 1, 256), (8, 1, 576), (3, 65, 48), (2, 5, 8, 32)])
def test_the_norm_is_mlx_own(shape: tuple[int, ...]) -> None:
    layer = nn.RMSNorm(shape[-1], eps=1e-6)
    layer.weight = mx.random.normal((shape[-1],))
    x = mx.random.normal(shape)
    assert mx.array_equal(FusedNorm(layer)(x), layer(x)).item()


@pytest.mark.parametrize("base", [10_000.0, 50_000.0, 500_000.0, 1e6, 5e6])
@pytest.mark.parametrize("dims", [32, 16, 12, 20, 28])
@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize(
    ("rows", "columns", "offset"),
    [
        (1, 1, 0),
        (1, 65, 0),
        (1, 7, 4000),
        (1, 1, [5]),
        (3, 1, [3, -2, 900]),
        (2, 5, [7, 70]),
    ],
)
def test_the_rotation_is_mlx_own(
    rows: int, columns: int, offset: int | list[int], dims: int, base: float, scale: float
) -> None:
    layer = nn.RoPE(dims, traditional=False, base=base, scale=scale)
    at = offset if isinstance(offset, int) else mx.array(offset)
    x = mx.random.normal((rows, columns, 4, 32)).transpose(0, 2, 1, 3)
    assert mx.array_equal(FusedRotation(layer)(x, offset=at), layer(x, offset=at)).item()


@pytest.mark.parametrize("dtype", [mx.bfloat16, mx.float16])
def test_half_precision_stays_what_it_is(dtype: mx.Dtype) -> None:
    norm, rotation = nn.RMSNorm(64), nn.RoPE(64)
    norm.weight = mx.random.normal((64,)).astype(dtype)
    x = mx.random.normal((1, 2, 5, 64)).astype(dtype)
    for fused, own in ((FusedNorm(norm), norm), (FusedRotation(rotation), rotation)):
        assert fused(x).dtype == dtype
        assert mx.array_equal(fused(x), own(x)).item()


def test_a_model_keeps_its_parameters_and_the_layers_of_other_kinds() -> None:
    model = nn.Module()
    model.norms = [nn.RMSNorm(8), nn.LayerNorm(8)]
    model.rope = nn.RoPE(8)
    model.other = nn.RoPE(8, traditional=True)
    before = tree_flatten(model.parameters())
    fuse(model)
    assert tree_flatten(model.parameters()) == before
    assert [type(layer) for layer in model.norms] == [FusedNorm, nn.LayerNorm]
    assert type(model.rope) is FusedRotation
    assert type(model.other) is nn.RoPE
