"""Clients that keep the gateway waiting: their connections end, and others notice nothing."""

import asyncio
import contextlib
import select
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bodega.gateway.deadlines import Deadlines

from .conftest import Client, ScriptedCore, Start, chat_answer, chunk

IDLE = 500
SHORT_S = 0.5
ENOUGH_S = 3.0
"""Short, but enough for a busy machine to send and read what fits in one packet."""
LONG_S = 60.0
LONG = Deadlines(head_s=LONG_S, idle_s=LONG_S, body_s=LONG_S, linger_s=LONG_S, stall_s=LONG_S)
HALVES = [
    b"",
    b"G",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Ty",
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n",
]
HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
)
HALF_BODIES = [
    HEAD + b"Content-Length: 1000\r\n\r\n",
    HEAD + b'Content-Length: 1000\r\n\r\n{"model": "cur',
    HEAD + b'Transfer-Encoding: chunked\r\n\r\n8\r\n{"model"\r\n',
]


async def opened(client: Client, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection and send something."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(data)
    return reader, writer


async def rest(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bytes:
    """Return what comes until the other side closes a connection."""
    reader, writer = connection
    try:
        return await asyncio.wait_for(reader.read(), LONG_S)
    except ConnectionResetError:
        return b"reset"
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("data", HALVES)
async def test_a_head_that_does_not_come_closes_the_connection(start: Start, data: bytes) -> None:
    deadlines = Deadlines(head_s=SHORT_S, idle_s=LONG_S)
    client = await start(timing={"deadlines": deadlines})
    assert await rest(await opened(client, data)) == b""


async def test_a_head_that_comes_byte_by_byte_is_not_waited_for_longer(start: Start) -> None:
    client = await start(timing={"deadlines": Deadlines(head_s=SHORT_S, idle_s=LONG_S)})
    reader, writer = await opened(client, b"GET /health HTTP/1.1\r\nX: ")

    async def drip() -> None:
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(SHORT_S / 10)

    dripping = asyncio.create_task(drip())
    assert await rest((reader, writer)) in (b"", b"reset")
    dripping.cancel()


async def test_the_second_head_of_a_connection_has_no_more_time(start: Start) -> None:
    client = await start(timing={"deadlines": Deadlines(head_s=ENOUGH_S, idle_s=LONG_S)})
    whole = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    reader, writer = await opened(client, whole)
    assert await reader.readuntil(b"}") != b""
    writer.write(whole[:20])
    assert await rest((reader, writer)) == b""


async def test_a_connection_without_requests_is_closed_later(start: Start) -> None:
    client = await start(timing={"deadlines": Deadlines(head_s=LONG_S, idle_s=SHORT_S)})
    connection = await opened(client, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b" 200 OK" in await rest(connection)


@pytest.mark.parametrize("data", HALF_BODIES)
async def test_a_body_that_does_not_come_is_refused(
    start: Start, core: ScriptedCore, data: bytes
) -> None:
    deadlines = Deadlines(body_s=SHORT_S, linger_s=SHORT_S, head_s=LONG_S, idle_s=LONG_S)
    client = await start(timing={"deadlines": deadlines})
    answer = await rest(await opened(client, data))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"body_too_slow"' in answer
    assert core.requests == []


async def test_a_slow_body_that_keeps_coming_is_taken(start: Start, core: ScriptedCore) -> None:
    client = await start(timing={"deadlines": Deadlines(body_s=ENOUGH_S)})
    padding = b" " * (96 * 1024)
    body = [b'{"messages": [{"role": "user", "content": "Hi"}], "model": "m"', *[padding] * 8, b"}"]

    async def slowly() -> AsyncIterator[bytes]:
        for part in body:
            yield part
            await asyncio.sleep(ENOUGH_S / len(body) * 1.2)

    headers = {"Content-Type": "application/json"}
    async with client.post("/v1/chat/completions", data=slowly(), headers=headers) as response:
        assert response.status == 200, await response.text()


async def test_a_long_answer_is_not_taken_for_an_idle_connection(
    start: Start, core: ScriptedCore
) -> None:
    go = asyncio.Event()

    async def chat(*_: Any) -> Any:
        await go.wait()
        return chat_answer()

    core.chat = chat
    short = Deadlines(head_s=ENOUGH_S, idle_s=SHORT_S, body_s=ENOUGH_S, stall_s=SHORT_S)
    client = await start(timing={"deadlines": short})
    asking = asyncio.ensure_future(client.chat().__aenter__())
    # Half a head is given up meanwhile, so the times have passed.
    assert await rest(await opened(client, b"GET")) == b""
    go.set()
    response = await asking
    assert response.status == 200


async def crowd_of(client: Client) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open many connections that ask for nothing."""
    halves = [*HALVES, *HALF_BODIES]
    return [await opened(client, halves[number % len(halves)]) for number in range(IDLE)]


async def test_a_crowd_that_asks_for_nothing_stops_nobody(start: Start) -> None:
    client = await start(timing={"deadlines": LONG})
    crowd = await crowd_of(client)
    for _ in range(20):
        async with client.get("/health") as response:
            assert response.status == 200
    # Nobody had to go for that.
    assert not any(reader.at_eof() for reader, _ in crowd)
    for _, writer in crowd:
        writer.close()


async def test_a_crowd_that_asks_for_nothing_is_sent_away(start: Start) -> None:
    deadlines = Deadlines(head_s=ENOUGH_S, idle_s=LONG_S, body_s=ENOUGH_S, linger_s=0.1)
    client = await start(timing={"deadlines": deadlines})
    crowd = await crowd_of(client)
    answers = await asyncio.gather(*map(rest, crowd))
    assert {answer[:13] for answer in answers} == {b"", b"HTTP/1.1 408 "}


async def stalled(client: Client) -> socket.socket:
    """Ask for a stream on a connection with little room, and read its first bytes only."""
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await loop.sock_connect(connection, ("127.0.0.1", client.port))
    body = b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": true}'
    await loop.sock_sendall(connection, HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert (await loop.sock_recv(connection, 1024)).startswith(b"HTTP/1.1 200 OK")
    return connection


async def test_a_reader_that_stops_is_cancelled_and_the_others_read_on(
    start: Start, core: ScriptedCore
) -> None:
    finished = asyncio.Event()
    sent = 0

    async def stream(*_: Any) -> AsyncIterator[Any]:
        nonlocal sent
        if core.entered.is_set():  # the other reader's
            while not core.cancelled.is_set():
                yield chunk("Good")
                await asyncio.sleep(0.01)
            yield chunk(" day")
            finished.set()
            return
        core.entered.set()
        try:
            while True:
                sent += 1
                yield chunk("x" * 10_000)
        finally:
            core.cancelled.set()

    core.stream = stream
    client = await start(timing={"deadlines": Deadlines(stall_s=SHORT_S)})
    connection = await stalled(client)
    try:
        async with client.chat(stream=True) as response:
            text = await response.text()
        assert "[DONE]" in text
        assert finished.is_set()
        # What was taken in for the reader that takes nothing: buffers, not all there is.
        assert sent * 10_000 < 32 * 1024 * 1024
    finally:
        connection.close()


async def test_a_whole_answer_that_is_not_read_ends_too(start: Start, core: ScriptedCore) -> None:
    core.chat = lambda *_: _large_answer()
    client = await start(timing={"deadlines": Deadlines(stall_s=SHORT_S)})
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await loop.sock_connect(connection, ("127.0.0.1", client.port))
        body = b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}'
        await loop.sock_sendall(connection, HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        # The connection is reset although most of the answer was never read.
        reset = select.poll()
        reset.register(connection, 0)
        assert await asyncio.to_thread(reset.poll, LONG_S * 1000)
        read = 0
        with contextlib.suppress(ConnectionResetError):
            while data := await asyncio.wait_for(loop.sock_recv(connection, 65536), LONG_S):
                read += len(data)
        assert read < ANSWER_BYTES


ANSWER_BYTES = 8 * 1024 * 1024


async def _large_answer() -> Any:
    answer = chat_answer()
    answer.choices[0].message.content = "x" * ANSWER_BYTES
    return answer
