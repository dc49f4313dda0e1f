"""The client for asyncio: the same answers, and cancellation that is told from the server's."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from bodega_api.v1 import admin_pb2, models_pb2

from bodega.client import UNREACHABLE, AsyncClient, CallError
from tests.client.conftest import MODEL, TOKEN
from tests.end_to_end.server import Server
from tests.hub.played_hub import PlayedHub
from tests.models import ENDLESS, TRANSCRIPTS

PLAIN = next(one for one in TRANSCRIPTS if one.name == "france")


@pytest.fixture
async def client(server: Server) -> AsyncIterator[AsyncClient]:
    """Return a client that shows the server's token."""
    async with AsyncClient(server.grpc, token=TOKEN) as calling:
        yield calling


async def test_chats_stream_side_by_side(client: AsyncClient) -> None:
    async def ask() -> str:
        stream = client.stream(PLAIN.messages, temperature=0)
        return "".join([text async for text in stream])

    assert await asyncio.gather(*(ask() for _ in range(4))) == [PLAIN.answer] * 4
    answer = await client.chat(PLAIN.messages, temperature=0)
    assert answer.choices[0].message.content == PLAIN.answer


async def test_it_asks_for_models_and_state_as_the_other_does(client: AsyncClient) -> None:
    current = await client.current()
    assert current is not None
    listed = await client.list()
    assert listed[0].id == current.model_id == (await client.show("current")).id
    assert (await client.health()).status == admin_pb2.HEALTH_STATUS_OK
    assert (await client.queue()).max_concurrency == current.max_concurrency
    assert await anext(client.watch())


async def test_a_download_that_somebody_cancels_is_an_error_and_no_cancellation(
    client: AsyncClient, hub: PlayedHub
) -> None:
    held = hub.faults.hold("model.safetensors", at=300_000)
    cancels: list[asyncio.Task[None]] = []

    def cancel(_: models_pb2.DownloadProgress) -> None:
        if not cancels:
            cancels.append(asyncio.create_task(client.cancel_download(MODEL)))

    with pytest.raises(CallError) as caught:
        await client.pull(MODEL, on_progress=cancel)
    held.release.set()
    await cancels[0]
    assert caught.value.code == "download_cancelled"


async def test_a_task_that_is_cancelled_ends_its_generation(client: AsyncClient) -> None:
    begun = asyncio.Event()

    async def ask() -> None:
        async with client.stream(ENDLESS, temperature=0) as stream:
            async for _ in stream:
                begun.set()

    before = (await client.queue()).cancelled_requests
    task = asyncio.create_task(ask())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    while (await client.queue()).cancelled_requests == before:
        pass


async def test_errors_are_the_same(client: AsyncClient) -> None:
    with pytest.raises(CallError) as caught:
        await client.chat("Hello!", temperature=9)
    assert (caught.value.code, caught.value.param) == ("invalid_value", "temperature")
    async with AsyncClient("localhost:1") as nobody:
        with pytest.raises(CallError) as caught:
            await nobody.health()
    assert caught.value.code == UNREACHABLE
