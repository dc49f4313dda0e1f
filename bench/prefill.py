"""Prefill and the first token in the process, through mlx-lm, without a server.

The prompt is read in slices, and of several sizes the fastest is what a server is compared with:
which one that is depends on the machine.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import worker
from bench.figures import PrefillFigures, percentile
from bench.weights import read_model
from bodega import platform


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefillJob:
    """What to measure.

    Attributes:
        folder: the model's.
        slices: sizes to try, in tokens.
        warmup: a prompt, as token ids, that is not measured.
        prompts: prompts, as token ids, that are, with every size.
    """

    folder: str
    slices: list[int]
    warmup: list[int]
    prompts: list[list[int]]


def measure(job: PrefillJob) -> PrefillFigures:
    """Return how long the fastest size took from a prompt to its first token."""
    model = read_model(Path(job.folder))
    median_ms = {}
    for size in job.slices:
        _first_token_ms(model, job.warmup, size)
        median_ms[size] = percentile(
            [_first_token_ms(model, prompt, size) for prompt in job.prompts], 50
        )
    best = min(median_ms, key=lambda size: median_ms[size])
    blas = platform.loaded_blas()
    return PrefillFigures(
        slice_tokens=best, p50_ms=median_ms[best], blas=blas.name if blas else None
    )


def _first_token_ms(model: Any, prompt: list[int], slice_tokens: int) -> float:
    import mlx.core as mx
    from mlx_lm.models.cache import make_prompt_cache

    started_s = time.perf_counter()
    cache = make_prompt_cache(model)
    tokens = mx.array(prompt)[None]
    for start in range(0, len(prompt) - 1, slice_tokens):
        model(tokens[:, start : min(start + slice_tokens, len(prompt) - 1)], cache=cache)
        mx.eval([layer.state for layer in cache])
    mx.argmax(model(tokens[:, -1:], cache=cache)[:, -1], axis=-1).item()
    return 1e3 * (time.perf_counter() - started_s)


if __name__ == "__main__":
    platform.preload_blas()
    worker.work(lambda job: measure(PrefillJob(**job)))
