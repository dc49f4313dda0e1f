"""Measures what a model's caches take, by asking the caches themselves."""

from collections import Counter
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.cache import CacheList, RotatingKVCache, make_prompt_cache

from bodega.backends.cache_cost import CacheCost


def cache_cost(model: nn.Module) -> CacheCost:
    """Return what the caches of a model take, from those of one token.

    Nothing is computed: the shapes are known without.
    """
    caches = make_prompt_cache(model)
    model(mx.array([[0]]), cache=caches)
    token_bytes = row_bytes = 0
    windows: Counter[int] = Counter()
    for cache in _single(caches):
        keys = getattr(cache, "keys", None)
        if keys is None:
            row_bytes += cache.nbytes
        elif isinstance(cache, RotatingKVCache):
            windows[cache.max_size] += cache.nbytes // keys.shape[2]
        else:
            token_bytes += cache.nbytes // keys.shape[2]
    return CacheCost(
        token_bytes=token_bytes,
        windows=tuple((each, tokens) for tokens, each in sorted(windows.items())),
        row_bytes=row_bytes,
    )


def _single(caches: list[Any]) -> list[Any]:
    """Return caches with lists of them taken apart."""
    single = []
    for cache in caches:
        single += _single(list(cache.caches)) if isinstance(cache, CacheList) else [cache]
    return single
