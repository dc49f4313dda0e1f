"""The prefix cache finds the longest prefix there is, within its budget, and changes nothing."""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_lm.models.cache import KVCache, make_prompt_cache

from bodega.backends.lm.prefix import BLOCK_TOKENS, PrefixCache
from tests.lm.test_runner import MODELS, loaded

BIG = 1 << 30


def cache_of(tokens: Sequence[int]) -> list[Any]:
    """Return a cache whose keys and values are the tokens themselves."""
    layer = KVCache()
    column = mx.array(list(tokens), mx.float32)[None, None, :, None]
    layer.update_and_fetch(column, column)
    return [layer]


def held(cache: list[Any] | None) -> list[int]:
    """Return the tokens that such a cache is of."""
    assert cache is not None
    values: list[float] = cache[0].keys[0, 0, : cache[0].offset, 0].tolist()
    return [int(value) for value in values]


def tokens(*parts: tuple[int, int]) -> list[int]:
    """Return tokens: each part is a value and how often it comes."""
    return [value for value, times in parts for _ in range(times)]


def test_what_was_kept_is_found_but_for_the_last_token() -> None:
    cache = PrefixCache(BIG)
    prompt = tokens((1, 50), (2, 50))
    assert cache.find(prompt) == (0, None)
    cache.keep(prompt, cache_of(prompt))
    count, found = cache.find(prompt)
    assert count == 99
    assert held(found) == prompt[:99]
    count, found = cache.find([*prompt, 7, 8])
    assert count == 100
    assert held(found) == prompt
    assert (cache.stats.hits, cache.stats.misses, cache.stats.hit_tokens) == (2, 1, 199)


def test_a_common_beginning_of_another_prompt_serves_too() -> None:
    cache = PrefixCache(BIG)
    one = tokens((1, 70), (2, 30))
    cache.keep(one, cache_of(one))
    count, found = cache.find(tokens((1, 70), (3, 30)))
    assert count == 70
    assert held(found) == tokens((1, 70))


def test_a_few_tokens_in_common_do_not_count() -> None:
    cache = PrefixCache(BIG)
    one = tokens((1, BLOCK_TOKENS - 1), (2, 60))
    cache.keep(one, cache_of(one))
    assert cache.find(tokens((1, BLOCK_TOKENS - 1), (3, 60)))[0] == 0


def test_what_is_found_may_be_changed_without_changing_what_is_kept() -> None:
    cache = PrefixCache(BIG)
    prompt = tokens((1, 64))
    cache.keep(prompt, cache_of(prompt))
    _, found = cache.find([*prompt, 9])
    assert found is not None
    found[0].update_and_fetch(mx.full((1, 1, 5, 1), 9.0), mx.full((1, 1, 5, 1), 9.0))
    found[0].keys[..., :3, :] = 7.0
    assert held(cache.find([*prompt, 9])[1]) == prompt


def test_an_entry_that_covers_another_takes_its_place() -> None:
    cache = PrefixCache(BIG)
    short, long = tokens((1, 40)), tokens((1, 40), (2, 40))
    cache.keep(short, cache_of(short))
    cache.keep(long, cache_of(long))
    assert cache.stats.entries == 1
    cache.keep(short, cache_of(short))
    assert cache.stats.entries == 1
    assert cache.find([*long, 5])[0] == 80


def test_the_least_recently_used_go_first() -> None:
    prompts = [tokens((value, 64)) for value in range(1, 5)]
    one_bytes = cache_of(prompts[0])[0].keys[..., :64, :].nbytes * 2
    cache = PrefixCache(3 * one_bytes)
    for prompt in prompts[:3]:
        cache.keep(prompt, cache_of(prompt))
    cache.find([*prompts[0], 9])
    cache.keep(prompts[3], cache_of(prompts[3]))
    assert [cache.find([*prompt, 9])[0] for prompt in prompts] == [64, 0, 64, 64]
    assert cache.stats.evictions == 1
    assert cache.stats.size_bytes <= 3 * one_bytes
    cache.shrink(one_bytes)
    assert cache.stats.entries == 1
    cache.shrink(0)
    assert (cache.stats.entries, cache.stats.size_bytes) == (0, 0)


def test_what_is_larger_than_the_budget_is_not_kept() -> None:
    cache = PrefixCache(100)
    prompt = tokens((1, 64))
    cache.keep(prompt, cache_of(prompt))
    assert cache.stats.entries == 0


PIECES = st.lists(st.sampled_from([(1, 20), (2, 20), (1, 33), (3, 5)]), min_size=1, max_size=6)


@settings(deadline=None, max_examples=60)
@given(st.lists(PIECES, min_size=1, max_size=8), PIECES)
def test_the_longest_common_prefix_is_found_whatever_was_kept(
    kept: list[list[tuple[int, int]]], asked: list[tuple[int, int]]
) -> None:
    cache = PrefixCache(BIG)
    for parts in kept:
        cache.keep(tokens(*parts), cache_of(tokens(*parts)))
    prompt = tokens(*asked)

    def common(other: list[int]) -> int:
        if len(other) < BLOCK_TOKENS:
            return 0
        same = [one == two for one, two in zip(prompt, other, strict=False)]
        return min([*same, False].index(False), len(prompt) - 1)

    longest = max(common(tokens(*parts)) for parts in kept)
    count, found = cache.find(prompt)
    assert count == (longest if longest >= BLOCK_TOKENS else 0)
    if count:
        assert held(found) == prompt[:count]


@pytest.mark.parametrize("family", MODELS)
def test_a_model_goes_on_from_a_found_prefix_as_from_its_own(family: str) -> None:
    model, _ = loaded(family)
    prompt = [(at * 37) % 500 + 40 for at in range(90)]
    own = make_prompt_cache(model)
    model(mx.array([prompt[:60]]), cache=own)
    prefixes = PrefixCache(BIG)
    prefixes.keep(prompt[:60], own)
    count, found = prefixes.find(prompt)
    assert count == 60
    rest = mx.array([prompt[60:]])
    expected = model(rest, cache=own)
    assert mx.allclose(model(rest, cache=found), expected, atol=1e-4)
    again = prefixes.find(prompt)[1]
    assert mx.allclose(model(rest, cache=again), expected, atol=1e-4)
