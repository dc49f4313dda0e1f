"""A request that gave its memory to an older one is a request like any other until it ends."""

import asyncio
from collections.abc import Iterator

import pytest

from bodega.backends.base import Sampling
from bodega.backends.cache_cost import CacheCost
from bodega.backends.lengths import PAGE_TOKENS
from bodega.engine.budget import SOFT_SHARE
from bodega.engine.engine import Engine
from bodega.engine.request import Finish, Generation
from bodega.engine.text_resident import Admission, TextResident
from bodega.errors import InsufficientMemory, InternalError, NoModelLoaded
from tests.engine.reader import Reader, read, reader
from tests.engine.scripted import TOKEN_BYTES, ScriptedModel

ALPHABET = "abcdefghijklmnopqrstuvwxyz"
PROMPT = [1] * 10
TOKENS = 500
COST = CacheCost(token_bytes=TOKEN_BYTES)
BOTH_BEGIN = int(COST.bytes(rows=2, tokens=len(PROMPT) + PAGE_TOKENS) / SOFT_SHARE) + 1
"""Memory for two to begin, of which one has to pause before it has all its tokens."""


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    scripted = ScriptedModel()
    scripted.cache_bytes = BOTH_BEGIN
    yield scripted
    scripted.gate.set()


@pytest.fixture
async def resident(engine: Engine, model: ScriptedModel) -> TextResident:
    return await engine.open(model, Admission(max_concurrency=4, queue_size=4, queue_timeout_s=60))


def ask(resident: TextResident, tokens: int = TOKENS, prompt: int = len(PROMPT)) -> Reader:
    return reader(resident, Generation(prompt=[1] * prompt, sampling=Sampling(), max_tokens=tokens))


def whole(tokens: int) -> tuple[str, int, Finish]:
    """Return the answer of so many tokens."""
    return (ALPHABET * (tokens // 26 + 1))[:tokens], tokens, Finish.LENGTH


async def until_one_pauses(model: ScriptedModel) -> None:
    """Wait until one of two requests has paused, which is held there."""
    assert await asyncio.to_thread(model.held.wait, 60)


async def test_its_answer_has_no_gap_and_no_repetition(resident: TextResident) -> None:
    answers = await asyncio.gather(*(read(ask(resident)) for _ in range(3)))
    assert answers == [whole(TOKENS)] * 3
    assert resident.traffic.pauses > 0
    assert resident.traffic.completed_requests == 3
    assert resident.traffic.completion_tokens == 3 * TOKENS
    assert resident.active == resident.waiting == 0
    # Rows leave in the step after their last token.
    async with asyncio.timeout(60):
        while resident.memory.kv_bytes:
            await asyncio.sleep(0)


async def test_it_can_be_cancelled(resident: TextResident, model: ScriptedModel) -> None:
    model.hold_at = "leave"
    older, younger = asyncio.create_task(read(ask(resident))), ask(resident)
    await until_one_pauses(model)
    younger.stream.cancel()
    model.gate.set()
    assert await older == whole(TOKENS)
    assert await read(ask(resident, 5)) == whole(5)
    assert resident.traffic.cancelled_requests == 1
    assert resident.active == resident.waiting == 0


async def test_a_step_that_fails_ends_it_too(resident: TextResident, model: ScriptedModel) -> None:
    model.hold_at = "leave"
    tasks = [asyncio.create_task(read(ask(resident))) for _ in range(2)]
    await until_one_pauses(model)
    model.fail_at = "decode"
    model.gate.set()
    for task in tasks:
        with pytest.raises(InternalError):
            await task
    assert await read(ask(resident, 5)) == whole(5)
    assert resident.traffic.failed_requests == 2


async def test_a_model_that_goes_lets_it_end(resident: TextResident, model: ScriptedModel) -> None:
    model.hold_at = "leave"
    tasks = [asyncio.create_task(read(ask(resident))) for _ in range(2)]
    await until_one_pauses(model)
    closing = asyncio.create_task(resident.close(NoModelLoaded(), drain_s=60))
    model.gate.set()
    assert [await task for task in tasks] == [whole(TOKENS)] * 2
    await closing


async def test_what_could_never_fit_takes_no_place(resident: TextResident) -> None:
    with pytest.raises(InsufficientMemory):
        ask(resident, prompt=BOTH_BEGIN // TOKEN_BYTES)
    assert resident.active == resident.waiting == resident.traffic.total_requests == 0
    longest = COST.longest(BOTH_BEGIN)
    assert (await read(ask(resident, 10**6, prompt=longest - PAGE_TOKENS)))[1] == PAGE_TOKENS


async def test_prefixes_get_back_what_rows_leave(
    resident: TextResident, model: ScriptedModel
) -> None:
    soft = int(SOFT_SHARE * BOTH_BEGIN)
    # Held in its first step: it would be at its end before this test looks.
    model.gate.clear()
    stream = ask(resident)
    async with asyncio.timeout(60):
        while model.prefix_bytes is None:
            await asyncio.sleep(0)
    assert model.prefix_bytes < soft
    stream.stream.cancel()
    model.gate.set()
    async with asyncio.timeout(60):
        while model.prefix_bytes != soft:
            await asyncio.sleep(0)
