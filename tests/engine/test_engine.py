"""The engine keeps its promises when steps fail, clients leave, readers stall and models go."""

import asyncio
from collections.abc import Generator, Iterator

import pytest

from bodega.backends.base import Piece, Sampling
from bodega.engine.engine import Engine
from bodega.engine.request import Finish, Generation
from bodega.engine.text_resident import Admission, TextResident
from bodega.errors import (
    InternalError,
    ModelUnloaded,
    NoModelLoaded,
    QueueFull,
    QueueTimeout,
    SlowReader,
)
from tests.engine.reader import Reader, read, reader
from tests.engine.scripted import ScriptedModel

ALPHABET = "abcdefghijklmnopqrstuvwxyz"
ENDLESS = 10**9


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    scripted = ScriptedModel()
    yield scripted
    scripted.gate.set()


async def opened(
    engine: Engine, model: ScriptedModel, *, rows: int = 2, waiting: int = 2, wait_s: float = 60
) -> TextResident:
    return await engine.open(
        model, Admission(max_concurrency=rows, queue_size=waiting, queue_timeout_s=wait_s)
    )


def ask(resident: TextResident, tokens: int = 5) -> Reader:
    return reader(resident, Generation(prompt=[1, 2], sampling=Sampling(), max_tokens=tokens))


async def test_answers_are_told_whole(engine: Engine, model: ScriptedModel) -> None:
    resident = await opened(engine, model)
    answers = await asyncio.gather(*(read(ask(resident, tokens)) for tokens in (1, 2, 26)))
    assert answers == [(ALPHABET[:n], n, Finish.LENGTH) for n in (1, 2, 26)]
    assert resident.traffic.completed_requests == 3
    assert resident.active == resident.waiting == 0


async def test_a_reader_that_has_all_it_wants_ends_a_request_that_was_answered(
    engine: Engine, model: ScriptedModel
) -> None:
    resident = await opened(engine, model)
    stream = ask(resident, ENDLESS)
    assert (await anext(stream)).text
    stream.stream.complete()
    await resident.until_idle()
    assert resident.traffic.completed_requests == 1
    assert resident.traffic.cancelled_requests == 0


@pytest.mark.parametrize("place", ["prefill", "decode"])
async def test_a_step_that_fails_ends_its_requests_and_no_others(
    engine: Engine, model: ScriptedModel, place: str
) -> None:
    resident = await opened(engine, model)
    model.fail_at = place
    streams = [ask(resident), ask(resident)]
    for stream in streams:
        with pytest.raises(InternalError) as raised:
            await read(stream)
        assert "secret" not in str(raised.value)
    assert await read(ask(resident)) == ("abcde", 5, Finish.LENGTH)
    assert resident.traffic.failed_requests == 2
    assert model.runners == 2
    assert not engine.stuck


async def test_what_fails_at_the_delivery_of_one_answer_loses_no_other(
    engine: Engine, model: ScriptedModel
) -> None:
    resident = await opened(engine, model)

    def fail() -> None:
        raise RuntimeError

    resident.on_answer = fail
    answers = await asyncio.gather(*(read(ask(resident)) for _ in range(3)))
    assert answers == [("abcde", 5, Finish.LENGTH)] * 3
    assert resident.active == resident.waiting == 0


async def test_a_full_queue_refuses_at_once(engine: Engine, model: ScriptedModel) -> None:
    model.gate.clear()
    resident = await opened(engine, model, rows=1, waiting=1)
    first, second = ask(resident), ask(resident)
    with pytest.raises(QueueFull) as raised:
        ask(resident)
    assert raised.value.retry_after_s is not None
    assert raised.value.retry_after_s >= 1
    model.gate.set()
    for stream in (first, second):
        assert await read(stream) == ("abcde", 5, Finish.LENGTH)
    assert resident.traffic.rejected_requests == 1


async def test_waiting_too_long_ends_a_request(engine: Engine, model: ScriptedModel) -> None:
    model.step_s = 0.001
    resident = await opened(engine, model, rows=1, wait_s=0.05)
    running = ask(resident, tokens=ENDLESS)
    await anext(running)
    with pytest.raises(QueueTimeout):
        await read(ask(resident))
    running.stream.cancel()
    assert await read(ask(resident)) == ("abcde", 5, Finish.LENGTH)


async def test_leaving_frees_the_place(engine: Engine, model: ScriptedModel) -> None:
    model.step_s = 0.001
    resident = await opened(engine, model, rows=1)
    stream = ask(resident, tokens=ENDLESS)
    waiter = asyncio.create_task(read(ask(resident)))
    await anext(stream)
    assert (resident.active, resident.waiting) == (1, 1)
    stream.stream.cancel()
    stream.stream.cancel()
    assert await waiter == ("abcde", 5, Finish.LENGTH)
    assert resident.traffic.cancelled_requests == 1
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_reader_that_stalls_is_cancelled_with_bounded_text(
    engine: Engine, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bodega.engine.stream.MAX_UNREAD_CHARS", 1000)
    resident = await opened(engine, model)
    stream = ask(resident, tokens=ENDLESS)
    async with asyncio.timeout(60):
        while resident.traffic.cancelled_requests == 0:
            await asyncio.sleep(0)
    delta = await anext(stream)
    assert len(delta.text) == 1001
    with pytest.raises(SlowReader):
        await anext(stream)
    assert resident.active == 0


async def test_a_slow_reader_gets_joined_deltas(engine: Engine, model: ScriptedModel) -> None:
    model.gate.clear()
    resident = await opened(engine, model)
    stream = ask(resident, tokens=20)
    model.gate.set()
    while resident.traffic.completed_requests == 0:
        await asyncio.sleep(0)
    delta = await anext(stream)
    assert (delta.text, delta.tokens, delta.finish) == (ALPHABET[:20], 20, Finish.LENGTH)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_model_that_goes_lets_running_answers_end(
    engine: Engine, model: ScriptedModel
) -> None:
    resident = await opened(engine, model, rows=1)
    model.hold_at = "decode"
    running = ask(resident)
    waiting = ask(resident)
    await anext(running)
    await asyncio.to_thread(model.held.wait)
    closing = asyncio.create_task(resident.close(NoModelLoaded(), drain_s=60))
    await asyncio.sleep(0)
    model.gate.set()
    with pytest.raises(NoModelLoaded):
        await read(waiting)
    with pytest.raises(NoModelLoaded):
        ask(resident)
    assert (await read(running))[2] is Finish.LENGTH
    await closing
    await engine.close(resident)
    assert model.closed


async def test_an_answer_that_outlasts_the_drain_ends_with_an_error(
    engine: Engine, model: ScriptedModel
) -> None:
    model.step_s = 0.001
    resident = await opened(engine, model)
    running = ask(resident, tokens=ENDLESS)
    await anext(running)
    closing = asyncio.create_task(resident.close(NoModelLoaded(), drain_s=0.05))
    with pytest.raises(ModelUnloaded):
        await read(running)
    await closing
    assert resident.active == 0


async def test_a_job_runs_beside_answers_and_hands_over_its_result(
    engine: Engine, model: ScriptedModel
) -> None:
    model.step_s = 0.001
    resident = await opened(engine, model)
    stream = ask(resident, tokens=ENDLESS)
    seen = []

    def steps() -> Generator[Piece, None, str]:
        for _ in range(3):
            seen.append(resident.traffic.completion_tokens)
            yield Piece(1.0)
        return "done"

    assert await engine.run(steps) == "done"
    await anext(stream)
    stream.stream.cancel()
    assert len(seen) == 3


async def test_a_job_that_fails_tells_its_error(engine: Engine) -> None:
    def steps() -> Generator[Piece, None, None]:
        yield Piece(1.0)
        raise LookupError("not there")

    with pytest.raises(LookupError, match="not there"):
        await engine.run(steps)
    assert not engine.stuck


async def test_a_piece_that_takes_longer_than_it_promised_is_seen(engine: Engine) -> None:
    model = ScriptedModel()
    model.gate.clear()

    def steps() -> Generator[Piece, None, None]:
        yield Piece(0.01)
        model.at("piece")

    job = asyncio.create_task(engine.run(steps))
    async with asyncio.timeout(60):
        while not engine.stuck:
            await asyncio.sleep(0)
    model.gate.set()
    await job
    async with asyncio.timeout(60):
        while engine.stuck:
            await asyncio.sleep(0)
