"""What the engine counts with is what the caches of real models take."""

import gc
import random
from collections.abc import Iterable
from typing import Any

import mlx.core as mx
import pytest

from bodega.backends.base import Row, Sampling, Slice
from bodega.backends.lengths import PAGE_TOKENS, SHORTEST_TOKENS
from bodega.backends.lm.footprint import cache_cost
from bodega.backends.lm.head import Forward
from bodega.backends.lm.runner import LmRunner
from bodega.engine.budget import CacheBudget
from bodega.engine.scheduler import Scheduler
from tests.lm.test_runner import MODELS, TOKENS, TURN_ENDS, Batch, loaded, oracle

SPARE_BYTES = 64 * 1024
"""Tokens, positions and the like."""


def batch_bytes(runner: LmRunner) -> list[int]:
    """Return what the caches of each batch take."""
    return [_bytes(batch.cache) for batch in runner._batches]


def _bytes(cache: Iterable[Any]) -> int:
    return sum(layer.nbytes for layer in cache)


def active_bytes(runner: LmRunner) -> int:
    """Return the memory that MLX has given out once nothing is under way."""
    gc.collect()
    mx.eval(runner._submitted, [layer.state for batch in runner._batches for layer in batch.cache])
    return mx.get_active_memory()


@pytest.mark.parametrize("family", MODELS)
def test_real_caches_stay_within_what_is_set_aside(family: str) -> None:
    model, _ = loaded(family)
    cost = cache_cost(model)
    budget = CacheBudget(cost=cost, size_bytes=cost.bytes(rows=1, tokens=1400) * 3)
    scheduler = Scheduler(max_rows=6, budget=budget)
    runner = LmRunner(model, Forward(model), turn_ends=TURN_ENDS, prefix_cache_bytes=10**6)
    draw = random.Random(5)
    rows = {
        row: [draw.randrange(40, 540) for _ in range(draw.choice([5, 60, 300, 511, 700]))]
        for row in range(12)
    }
    tokens: dict[int, list[int]] = {row: [] for row in rows}
    most = {row: draw.choice([1, 3, 20, 60]) for row in rows}
    for row, prompt in rows.items():
        scheduler.submit(row, prompt_tokens=len(prompt), max_tokens=most[row])
    highest = 0.0
    while not scheduler.idle:
        for row in scheduler.admit():
            entering = Row(
                id=row, prompt=rows[row], sampling=Sampling(), generated=tuple(tokens[row])
            )
            scheduler.skip(row, runner.add(entering))
        plan = scheduler.plan(slice_tokens=400)
        runner.limit_prefixes(plan.prefix_bytes)
        runner.leave(plan.leave)
        for row, token, *_ in [
            *runner.prefill(plan.prefill),
            *(runner.decode() if plan.decode else []),
        ]:
            if len(tokens[row]) < most[row]:
                tokens[row].append(token)
                if len(tokens[row]) == most[row]:
                    scheduler.end(row)
        taken = sum(batch_bytes(runner))
        if family != "gpt_oss":  # between slices a window holds a slice more
            taken += sum(_bytes(prompt.cache) for prompt in runner._prompts.values())
        assert taken <= scheduler.taken_bytes <= budget.size_bytes
        highest = max(highest, taken / max(1, scheduler.taken_bytes))
    # It is no wild guess either: pages aside, it is what is taken.
    assert highest > 0.4
    assert {row: len(got) for row, got in tokens.items()} == most


def test_a_long_conversation_takes_no_memory_in_the_batch_of_short_ones() -> None:
    model, _ = loaded("qwen3_moe")
    cost = cache_cost(model)
    alone = Batch(model)
    alone.enter({row: list(range(40, 50 + row)) for row in range(16)})
    alone.decode(2)
    beside = Batch(model)
    beside.enter({16: [41 + at % 400 for at in range(4 * SHORTEST_TOKENS)]}, slice_tokens=1024)
    beside.enter({row: list(range(40, 50 + row)) for row in range(16)})
    beside.decode(2)
    (short,) = batch_bytes(alone.runner)
    (long,) = set(batch_bytes(beside.runner)) - {short}
    assert len(batch_bytes(beside.runner)) == 2
    assert long <= cost.bytes(rows=1, tokens=4 * SHORTEST_TOKENS)
    # And what it took is given back when it leaves.
    before = active_bytes(beside.runner)
    beside.runner.leave([16])
    beside.decode(2)
    assert batch_bytes(beside.runner) == [short]
    assert active_bytes(beside.runner) <= before - long + SPARE_BYTES


def test_a_row_that_has_left_its_batch_leaves_no_padding_behind() -> None:
    model, _ = loaded("qwen3_moe")
    cost = cache_cost(model)
    batch = Batch(model)
    batch.enter({0: list(range(40, 540)), 1: list(range(40, 50))})
    batch.decode(2)
    (both,) = batch_bytes(batch.runner)
    assert both > cost.bytes(rows=2, tokens=500 - PAGE_TOKENS)
    before = active_bytes(batch.runner)
    batch.runner.leave([0])
    batch.decode(2)
    (left,) = batch_bytes(batch.runner)
    assert left <= cost.bytes(rows=1, tokens=14)
    assert active_bytes(batch.runner) <= before - (both - left) + SPARE_BYTES


def test_spare_buffers_go_back_when_nobody_asks_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bodega.backends.lm.runner.IDLE_SPARE_BYTES", 64 * 1024)
    model, _ = loaded("qwen3_moe")
    batch = Batch(model)
    batch.enter({0: list(range(40, 140)), 1: list(range(40, 240))})
    batch.decode(2)
    batch.runner.leave([0])
    batch.decode(1)
    assert mx.get_cache_memory() > 64 * 1024
    batch.runner.leave([1])
    batch.decode(1)
    assert mx.get_cache_memory() <= 64 * 1024


def test_prompts_with_known_beginnings_are_not_padded_beyond_the_longest() -> None:
    model, _ = loaded("qwen3_moe")
    known = [41 + at % 400 for at in range(200)]
    fresh = [60 + at % 300 for at in range(60)]
    batch = Batch(model, prefix_cache_bytes=10**9)
    batch.enter({0: known})
    batch.runner.leave([0])
    rows = {1: [*known, *fresh[:30]], 2: fresh}
    starts = {}
    for row, prompt in rows.items():
        batch.tokens[row] = []
        starts[row] = batch.runner.add(Row(id=row, prompt=prompt, sampling=Sampling()))
    assert starts == {1: 200, 2: 0}
    slices = [Slice(row, starts[row], len(prompt)) for row, prompt in rows.items()]
    first = batch.runner.prefill(slices)
    (together,) = batch.runner._batches
    assert together.cache[0].size() == 230
    batch._take(first)
    batch.decode(TOKENS)
    for row, prompt in rows.items():
        assert batch.tokens[row][:TOKENS] == oracle(model, prompt)
