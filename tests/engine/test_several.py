"""Several answers of one request: the prompt is prefilled once, and each ends by itself."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bodega.backends.base import Sampling
from bodega.engine.engine import Engine
from bodega.engine.request import Finish, Generation
from bodega.engine.text_resident import Admission, TextResident
from bodega.errors import InvalidRequest, NoModelLoaded, QueueFull
from tests.engine.reader import Reader, read, readers
from tests.engine.scripted import ScriptedModel

ANSWER = ("abcde", 5, Finish.LENGTH)


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    """Return a model that is let go at the end."""
    scripted = ScriptedModel()
    yield scripted
    scripted.gate.set()


async def opened(engine: Engine, model: ScriptedModel, *, rows: int = 8) -> TextResident:
    return await engine.open(
        model, Admission(max_concurrency=rows, queue_size=2, queue_timeout_s=60)
    )


def ask(resident: TextResident, answers: int, *, prompt: int = 2, tokens: int = 5) -> list[Reader]:
    request = Generation(prompt=[prompt] * 9, sampling=Sampling(), max_tokens=tokens)
    return readers(resident, [request] * answers)


async def held(model: ScriptedModel) -> None:
    """Wait until the model is held where the test said."""
    await asyncio.to_thread(model.held.wait, 60)


async def test_one_answer_prefills_the_prompt_and_the_others_follow(
    engine: Engine, model: ScriptedModel
) -> None:
    resident = await opened(engine, model)
    model.hold_at = "prefill"
    streams = ask(resident, 3)
    await held(model)
    assert [row.keep_prompt for row in model.rows] == [True]
    model.gate.set()
    assert [await read(stream) for stream in streams] == [ANSWER] * 3
    assert [row.keep_prompt for row in model.rows] == [True, False, False]
    assert resident.traffic.prompt_tokens == 9
    assert resident.traffic.completed_requests == 3


async def test_prompts_that_differ_do_not_wait_for_each_other(
    engine: Engine, model: ScriptedModel
) -> None:
    resident = await opened(engine, model)
    one, other = (
        Generation(prompt=[prompt], sampling=Sampling(), max_tokens=5) for prompt in (1, 2)
    )
    model.hold_at = "prefill"
    streams = readers(resident, [one, one, other, other])
    await held(model)
    assert [list(row.prompt) for row in model.rows][:2] == [[1], [2]]
    model.gate.set()
    assert [await read(stream) for stream in streams] == [ANSWER] * 4


@pytest.mark.parametrize("leaving", [0, 1])
async def test_an_answer_that_nobody_wants_leaves_the_others(
    engine: Engine, model: ScriptedModel, leaving: int
) -> None:
    resident = await opened(engine, model)
    model.hold_at = "prefill"
    streams = ask(resident, 3)
    await held(model)
    streams[leaving].stream.cancel()
    model.gate.set()
    rest = [stream for at, stream in enumerate(streams) if at != leaving]
    assert [await read(stream) for stream in rest] == [ANSWER] * 2
    assert resident.traffic.cancelled_requests == 1


async def test_more_answers_than_places_come_one_after_the_other(
    engine: Engine, model: ScriptedModel
) -> None:
    resident = await opened(engine, model, rows=1)
    model.hold_at = "decode"
    streams = ask(resident, 3)
    await anext(streams[0])
    # None is given up for waiting: the request has had its turn.
    assert all(resident._open[row].wait.timer.cancelled() for row in resident._open)
    await held(model)
    assert (resident.active, resident.waiting) == (1, 2)
    model.gate.set()
    assert [await read(stream) for stream in streams[1:]] == [ANSWER] * 2


async def test_there_is_room_for_all_or_none(engine: Engine, model: ScriptedModel) -> None:
    resident = await opened(engine, model, rows=2)
    with pytest.raises(InvalidRequest) as raised:
        ask(resident, 5)
    assert raised.value.param == "n"
    model.gate.clear()
    first = ask(resident, 2)
    with pytest.raises(QueueFull):
        ask(resident, 3)
    second = ask(resident, 2)
    model.gate.set()
    assert [await read(stream) for stream in first + second] == [ANSWER] * 4
    assert resident.traffic.rejected_requests == 3


async def test_answers_that_have_begun_end_before_the_model_goes(
    engine: Engine, model: ScriptedModel
) -> None:
    resident = await opened(engine, model, rows=1)
    model.hold_at = "decode"
    streams = ask(resident, 3)
    await held(model)
    closing = asyncio.create_task(resident.close(NoModelLoaded(), drain_s=60))
    model.gate.set()
    assert [await read(stream) for stream in streams] == [ANSWER] * 3
    await closing
