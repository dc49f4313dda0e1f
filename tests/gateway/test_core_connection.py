"""The connection from the gateway to its core: found on a busy machine, and kept while idle."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from bodega_api.v1 import inference_pb2_grpc

from bodega.rpc.server import OPTIONS

from .conftest import Start, chat_answer

SLOW_S = 1.2
"""Slower than any wait between two attempts to connect."""

HANDSHAKE_S = 0.3


@contextlib.asynccontextmanager
async def slow_way(to: Path, at: Path) -> AsyncIterator[None]:
    """Pass bytes on from one socket to another, each first answer late."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing.add(asyncio.current_task())
        core_reader, core_writer = await asyncio.open_unix_connection(to)
        try:
            sending = asyncio.create_task(copy(reader, core_writer))
            await asyncio.sleep(SLOW_S)
            await asyncio.gather(sending, copy(core_reader, writer))
        finally:
            core_writer.close()
            writer.close()

    passing: set[Any] = set()
    server = await asyncio.start_unix_server(serve, at)
    try:
        yield
    finally:
        server.close()
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)


async def test_a_core_that_takes_its_time_is_connected_to(
    start: Start, core: Any, socket_folder: Path
) -> None:
    way = socket_folder / "slow.sock"
    async with slow_way(socket_folder / "core.sock", way):
        client = await start(target=f"unix:{way}")
        async with client.chat() as response:
            assert response.status == 200, await response.text()


class _Chats(inference_pb2_grpc.InferenceServicer):
    async def CreateChatCompletion(self, *_: Any) -> Any:
        return chat_answer()


@pytest.fixture
async def impatient(socket_folder: Path) -> AsyncIterator[Path]:
    """Return the socket of a core that sends away who says nothing for a moment."""
    hurry = {"grpc.server_handshake_timeout_ms": round(HANDSHAKE_S * 1000)}
    server = grpc.aio.server(options=list({**dict(OPTIONS), **hurry}.items()))
    inference_pb2_grpc.add_InferenceServicer_to_server(_Chats(), server)
    path = socket_folder / "impatient.sock"
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    yield path
    await server.stop(None)


async def test_a_connection_that_has_spoken_is_kept_longer_than_one_that_has_not(
    start: Start, impatient: Path
) -> None:
    client = await start(target=f"unix:{impatient}")
    async with client.chat() as response:
        assert response.status == 200
    for _ in range(2):
        # A silent one comes later and goes while the gateway's is idle.
        silent, writer = await asyncio.open_unix_connection(impatient)
        await silent.read()
        writer.close()
        await writer.wait_closed()
        async with client.chat() as response:
            assert response.status == 200
