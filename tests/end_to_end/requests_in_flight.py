"""Requests that are under way while a test looks at the server."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import requests

from tests.end_to_end.server import Json, Server
from tests.models import ENDLESS, TRANSCRIPTS

HELLO = next(one for one in TRANSCRIPTS if one.name == "hello")


@contextmanager
def endless(server: Server, **fields: object) -> Iterator[Iterator[bytes]]:
    """Stream an answer without end; leaving the context closes the connection."""
    request = {"model": "current", "messages": list(ENDLESS), "temperature": 0, "stream": True}
    with requests.post(
        f"{server.http}/v1/chat/completions",
        json={**request, **fields},
        stream=True,
        timeout=60,
    ) as response:
        assert response.status_code == 200
        yield response.iter_lines()


@contextmanager
def asked(server: Server, fields: Json) -> Iterator[socket.socket]:
    """Ask for an answer on a connection of its own, which closes with the context."""
    request = {"model": "current", "temperature": 0, **fields}
    with posted(server, "/v1/chat/completions", request) as connection:
        yield connection


@contextmanager
def posted(server: Server, path: str, request: Json) -> Iterator[socket.socket]:
    """Send a request on a connection of its own, which closes with the context."""
    address = urlsplit(server.http)
    body = json.dumps(request).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(head.encode() + body)
        yield connection


def answers(server: Server) -> bool:
    """Return whether a chat is answered to its end; a server that is not there does not."""
    try:
        chat = server.chat(messages=list(HELLO.messages))
    except requests.ConnectionError:
        return False
    return chat.status_code == 200 and chat.json()["choices"][0]["finish_reason"] == "stop"


def error_of(lines: Iterator[bytes]) -> Json:
    """Return the error that ends a stream, which no [DONE] follows."""
    *_, last = (line for line in lines if line)
    error: Json = json.loads(last.removeprefix(b"data: "))["error"]
    return error


def idle(server: Server) -> bool:
    """Return whether nothing runs and nothing waits."""
    stats = server.stats()
    return bool(stats["active_requests"] == 0 and stats["queue_size"] == 0)
