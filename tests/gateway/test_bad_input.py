"""Bad input over real connections: an answer that says what is wrong, and never a 5xx."""

import asyncio
import gzip
import io
import json
import zlib
from typing import Any

import pytest

from bodega import limits

from .conftest import Client, ScriptedCore, chat_request

HEADERS = {"Content-Type": "application/json"}


def chat_body(**members: Any) -> bytes:
    """Return the text of a small chat request."""
    return json.dumps(chat_request(**members)).encode()


def with_member(text: bytes) -> bytes:
    """Return the text of a chat request with the text of one member more."""
    return chat_body()[:-1] + b", " + text + b"}"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (with_member(b'"x": ' + b"[" * 100_000 + b"]" * 100_000), "body"),
        (with_member(b'"x": ' + b"[" * 70 + b"]" * 70), "x" + "[0]" * 63),
        (with_member(b'"seed": ' + b"9" * 5000), "seed"),
        (with_member(b'"seed": 36893488147419103232'), "seed"),
        (with_member(b'"max_tokens": 9223372036854775808'), "max_tokens"),
        (with_member(b'"temperature": NaN'), "temperature"),
        (with_member(b'"temperature": 1e400'), "temperature"),
        (with_member(b'"user": "a", "user": "b"'), "body"),
        (with_member(b'"chat_template_kwargs": {"a": 1, "a": 2}'), "chat_template_kwargs"),
        (with_member(b'"user": "\\ud800"'), "user"),
        (with_member(b'"zebra": "\\udfff"'), "zebra"),
        (b"\xef\xbb\xbf" + chat_body(), "body"),
        (b"[" + chat_body() + b"]", "body"),
        (b"null", "body"),
        (b"true", "body"),
        (b'"x"', "body"),
        (b"{", "body"),
        (b"\xff\xfe", "body"),
        (b"\x00" * 100, "body"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_body_that_no_message_can_hold_is_400_with_its_place(
    client: Client, core: ScriptedCore, body: bytes, param: str, stream: bool
) -> None:
    if stream:
        body = body.replace(b'"model"', b'"stream": true, "model"', 1)
    async with client.post("/v1/chat/completions", data=body, headers=HEADERS) as response:
        error = (await response.json())["error"]
    assert response.status == 400
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert core.requests == []


async def test_a_body_over_the_limit_is_413(client: Client, core: ScriptedCore) -> None:
    body = io.BytesIO(b" " * (limits.MAX_BODY_BYTES + 1))
    async with client.post("/v1/chat/completions", data=body, headers=HEADERS) as response:
        assert response.status == 413
        assert (await response.json())["error"]["code"] == "body_too_large"
    assert core.requests == []


async def test_a_body_that_is_too_large_once_unpacked_is_413(client: Client) -> None:
    body = gzip.compress(b" " * (limits.MAX_BODY_BYTES * 4))
    headers = HEADERS | {"Content-Encoding": "gzip"}
    async with client.post("/v1/chat/completions", data=body, headers=headers) as response:
        assert response.status == 413


async def test_a_packed_body_is_unpacked(client: Client, core: ScriptedCore) -> None:
    for name, body in (
        ("gzip", gzip.compress(chat_body())),
        ("deflate", zlib.compress(chat_body())),
    ):
        headers = HEADERS | {"Content-Encoding": name}
        async with client.post("/v1/chat/completions", data=body, headers=headers) as response:
            assert response.status == 200
    assert len(core.requests) == 2


async def test_a_body_that_cannot_be_unpacked_is_400(client: Client) -> None:
    headers = HEADERS | {"Content-Encoding": "gzip"}
    async with client.post("/v1/chat/completions", data=b"no gzip", headers=headers) as response:
        assert response.status == 400
        assert response.headers["Content-Type"] == "application/json"


async def raw(client: Client, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes, read the answer to the connection's end, return status, headers and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    status_line, *lines = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    writer.close()
    await writer.wait_closed()
    return int(status_line.split()[1]), headers, body


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.com\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    ],
)
async def test_bytes_that_are_no_http_request_get_400_and_json(
    client: Client, request_bytes: bytes
) -> None:
    status, headers, body = await raw(client, request_bytes)
    assert status == 400
    assert headers["content-type"] == "application/json"
    assert headers["server"] == "Bodega"
    assert json.loads(body)["error"]["message"] == "The request is not valid HTTP."


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /health HTTP/1.0\r\n\r\n", 403),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET http://evil.com/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 403),
        (b"GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"GET //evil.com/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /v1/models/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"GET /v1/models/%ff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /v1/models/\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /v1/models?verify_with_hub=\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ],
)
async def test_odd_targets_get_an_answer(client: Client, request_bytes: bytes, status: int) -> None:
    got, headers, _ = await raw(client, request_bytes)
    assert got == status
    assert headers["content-type"] == "application/json"


async def test_a_client_that_asks_before_it_sends_its_body_is_told_to(client: Client) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    body = chat_body()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    writer.write(body)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    writer.close()
    await writer.wait_closed()
