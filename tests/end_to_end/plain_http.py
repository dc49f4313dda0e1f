"""HTTP written by hand: what no client library would send."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from tests.end_to_end.server import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer to a hand-written request, with the names of a response of `requests`."""

    status_code: int
    headers: Message
    content: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode()

    def json(self) -> Any:
        """Return the JSON value of the body."""
        return json.loads(self.content)


def exchange(
    server: Server,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]] = (("Host", "localhost"),),
    body: bytes = b"",
    *,
    address: str | None = None,
) -> Answer:
    """Send a request with just this target and these headers, and return its answer.

    Args:
        server: where to.
        method: the method.
        target: the request target, sent as it is.
        headers: all headers but Content-Length.
        body: the body, sent if it is not empty or the method is POST.
        address: the address to connect to instead of the one the server tells.
    """
    url = urlsplit(server.http)
    connection = HTTPConnection(address or str(url.hostname), url.port, timeout=60)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body or method == "POST":
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(
            status_code=response.status, headers=response.headers, content=response.read()
        )
    finally:
        connection.close()
