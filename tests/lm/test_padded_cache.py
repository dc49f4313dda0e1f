"""The batched cache against mlx-lm's own, which asks the device for its padding."""

import random
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models.cache import BatchKVCache, KVCache

from bodega.backends.lm.padded_cache import PaddedCache

HEADS, SIZE = 2, 3


def row(tokens: int, seed: int) -> KVCache:
    """Return the cache of one row."""
    cache = KVCache()
    keys = mx.random.normal((1, HEADS, tokens, SIZE), key=mx.random.key(seed))
    cache.update_and_fetch(keys, keys + 1)
    return cache


def assert_alike(ours: PaddedCache, theirs: Any) -> None:
    """Check that two batched caches hold the same rows."""
    assert ours.padding == ours.left_padding.tolist() == theirs.left_padding.tolist()
    assert ours.offset.tolist() == theirs.offset.tolist()
    for at in range(len(ours.padding)):
        mine, other = ours.extract(at), theirs.extract(at)
        assert mine.offset == other.offset
        for one, two in zip(mine.state[:2], other.state[:2], strict=True):
            assert mx.array_equal(one, two)


@pytest.mark.parametrize("seed", range(12))
def test_rows_come_and_go_as_in_mlx_lms_cache(seed: int) -> None:
    drawn = random.Random(seed)
    numbers = iter(range(1000))

    def both() -> tuple[PaddedCache, Any]:
        rows = [row(drawn.randint(1, 300), next(numbers)) for _ in range(drawn.randint(1, 3))]
        return PaddedCache.merge(rows), BatchKVCache.merge(rows)

    ours, theirs = both()
    assert_alike(ours, theirs)
    for _ in range(20):
        match drawn.choice(("extend", "filter", "replace", "step")):
            case "extend":
                mine, other = both()
                ours.extend(mine)
                theirs.extend(other)
            case "filter":
                count = drawn.randint(1, len(ours.padding))
                keep = sorted(drawn.sample(range(len(ours.padding)), count))
                ours.filter(keep)
                theirs.filter(keep)
            case "replace":
                # The last row goes where another has left.
                last = len(ours.padding) - 1
                keep = list(range(last))
                if last:
                    keep[drawn.randrange(last)] = last
                    ours.filter(keep)
                    theirs.filter(keep)
            case "step":
                keys = mx.random.normal(
                    (len(ours.padding), HEADS, 1, SIZE), key=mx.random.key(next(numbers))
                )
                ours.update_and_fetch(keys, keys + 1)
                theirs.update_and_fetch(keys, keys + 1)
        assert_alike(ours, theirs)


def test_prompts_padded_on_the_right_end_up_padded_on_the_left() -> None:
    ours, theirs = PaddedCache([0, 0]), BatchKVCache([0, 0])
    keys = mx.random.normal((2, HEADS, 7, SIZE), key=mx.random.key(1))
    for cache in (ours, theirs):
        cache.prepare(lengths=[7, 4], right_padding=[0, 3])
        cache.update_and_fetch(keys, keys + 1)
        cache.finalize()
    assert ours.padding == [0, 3]
    assert_alike(ours, theirs)


def test_rows_come_and_go_in_the_memory_that_there_is() -> None:
    ours = PaddedCache.merge([row(60, seed) for seed in range(8)])
    ours.update_and_fetch(*2 * [mx.zeros((8, HEADS, 1, SIZE))])
    shape = ours.keys.shape
    for seed in range(40):
        ours.filter([7, 1, 2, 3, 4, 5, 6])
        ours.extend(PaddedCache.merge([row(30, seed)]))
    assert ours.keys.shape == shape


def test_what_has_left_is_nothing_to_who_comes() -> None:
    gone = row(40, 3)
    gone.values = mx.full(gone.values.shape, float("nan"))
    ours = PaddedCache.merge([row(40, 1), row(40, 2), gone])
    ours.filter([0, 1])
    ours.extend(PaddedCache.merge([row(5, 4)]))
    assert not mx.any(mx.isnan(ours.keys_and_values()[1])).item()


def test_rows_without_padding_need_no_mask() -> None:
    ours = PaddedCache.merge([row(5, 1), row(5, 2)])
    assert ours.make_mask(1) is None
    assert ours.make_mask(2) is not None
    assert PaddedCache.merge([row(5, 1), row(4, 2)]).make_mask(1) is not None
