"""A row that was paused and computed anew goes on as if it had never been away."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bodega.backends.base import Row, Sampling, Slice, Tokens
from bodega.backends.lm.head import Forward
from bodega.backends.lm.runner import LmRunner
from bodega.backends.registry import prepare_text_model
from bodega.config import LoadParameters
from bodega.engine.engine import Engine
from bodega.engine.request import Finish, Generation
from bodega.engine.text_resident import Admission, TextResident
from tests.engine.reader import read, readers
from tests.lm.test_runner import MODELS, TURN_ENDS, loaded, prompts
from tests.models import family_model

SAMPLINGS = [
    Sampling(),
    Sampling(temperature=0.9, top_p=0.95, seed=7),
    Sampling(temperature=0.8, top_k=40, seed=8, repetition_penalty=1.3),
    Sampling(temperature=0.7, seed=9, presence_penalty=0.8, frequency_penalty=0.6),
]


class Rows:
    """Runs rows step by step and collects their tokens."""

    def __init__(self, model: Any, given: list[list[int]], *, prefix_bytes: int) -> None:
        self.runner = LmRunner(
            model, Forward(model), turn_ends=TURN_ENDS, prefix_cache_bytes=prefix_bytes
        )
        self.given = given
        self.tokens: dict[int, list[int]] = {row: [] for row in range(len(given))}

    def enter(self, row: int) -> int:
        """Let a row run, with what it has generated; return how much of it was known."""
        generated = tuple(self.tokens[row])
        entering = Row(id=row, prompt=self.given[row], sampling=SAMPLINGS[row], generated=generated)
        known = self.runner.add(entering)
        self._take(self.runner.prefill([Slice(row, known, len(entering.tokens))]))
        return known

    def step(self) -> None:
        """Decode a token for each row."""
        self._take(self.runner.decode())

    def _take(self, tokens: Tokens) -> None:
        for chosen in tokens:
            self.tokens[chosen.row].append(chosen.token)


@pytest.mark.parametrize("prefix_bytes", [0, 10**9])
@pytest.mark.parametrize("family", MODELS)
def test_a_paused_row_chooses_the_tokens_of_one_that_was_not(
    family: str, prefix_bytes: int
) -> None:
    model, tokenizer = loaded(family)
    given = prompts(tokenizer)[: len(SAMPLINGS)]
    rows = range(len(given))
    unpaused = Rows(model, given, prefix_bytes=0)
    for row in rows:
        unpaused.enter(row)
    for _ in range(24):
        unpaused.step()
    paused = Rows(model, given, prefix_bytes=prefix_bytes)
    for row in rows:
        paused.enter(row)
    known = 0
    for row in reversed(rows):
        paused.step()
        paused.step()
        paused.runner.leave([row])
        # The token under way comes after the row has left.
        paused.step()
        known += paused.enter(row)
    for _ in range(24):
        paused.step()
    for row in rows:
        assert paused.tokens[row][:24] == unpaused.tokens[row][:24]
    assert bool(known) == bool(prefix_bytes)


async def opened(engine: Engine, kv_cache_gb: float | None) -> TextResident:
    folder = family_model("qwen3_moe")
    parameters = LoadParameters(model_path=str(folder), kv_cache_gb=kv_cache_gb, prefix_cache_gb=0)
    loading = await asyncio.to_thread(prepare_text_model, folder, parameters)
    await engine.run(loading.build)
    model = await engine.run(loading.read)
    return await engine.open(model, Admission(max_concurrency=8, queue_size=8, queue_timeout_s=60))


async def answered(resident: TextResident) -> list[tuple[str, int, Finish | None]]:
    """Return the answers to four requests that come together."""
    requests = [
        Generation(prompt=list(range(40 + at, 70 + at)), sampling=sampling, max_tokens=400)
        for at, sampling in enumerate(SAMPLINGS)
    ]
    requests[1] = replace(requests[1], stops=("no text holds this",))

    return await asyncio.gather(*(read(answer) for answer in readers(resident, requests)))


async def test_answers_are_the_same_when_memory_runs_short(engine: Engine) -> None:
    resident = await opened(engine, None)
    expected = await answered(resident)
    assert resident.traffic.pauses == 0
    cost = resident.info.cache_cost
    await engine.close(resident)
    # Three fit with a page each, and not with all that they generate.
    size = cost.bytes(rows=3, tokens=30 + 256) / 0.84
    resident = await opened(engine, size / 1e9)
    assert await answered(resident) == expected
    assert resident.traffic.pauses > 0
    assert resident.traffic.completed_requests == 4
    await engine.close(resident)
