"""Event streams: a server-streaming call's messages to one client, as they come."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

from aiohttp import hdrs, web
from google.protobuf.message import Message
from multidict import CIMultiDict

from bodega.gateway import sse
from bodega.gateway.services import Call

_HEADERS = {
    # Named, or clients that know text by its type alone would read Latin-1.
    hdrs.CONTENT_TYPE: "text/event-stream; charset=utf-8",
    hdrs.CACHE_CONTROL: "no-cache",
    # Proxies that would collect the stream before passing it on.
    "X-Accel-Buffering": "no",
}


class EventStream:
    """An event stream to one client, with a comment whenever it has been quiet for long."""

    def __init__(self, request: web.BaseRequest, *, keep_alive_s: float) -> None:
        self._request = request
        self._keep_alive_s = keep_alive_s
        self._response = web.StreamResponse()
        self._clock = asyncio.get_running_loop().time
        self._last_sent_s = self._clock()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the headers are sent, so that an error can only be an event."""
        return self._response.prepared

    @property
    def response(self) -> web.StreamResponse:
        """The response, to hand back to the HTTP server."""
        return self._response

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._keeper is not None:
            self._keeper.cancel()

    async def open(self, headers: CIMultiDict[str]) -> None:
        """Send the headers and begin to keep the stream alive."""
        self._response.headers.update(headers)
        self._response.headers.update(_HEADERS)
        await self._response.prepare(self._request)
        self._keeper = asyncio.create_task(self._keep_alive())

    async def send(self, data: bytes) -> None:
        """Send one event.

        Raises:
            ConnectionError: the client is gone.
        """
        self._last_sent_s = self._clock()
        await self._response.write(sse.event(data))

    async def _keep_alive(self) -> None:
        # A client that is gone shows where events are sent and on the connection.
        with suppress(ConnectionError):
            while True:
                quiet_s = self._clock() - self._last_sent_s
                if quiet_s >= self._keep_alive_s:
                    self._last_sent_s = self._clock()
                    await self._response.write(sse.KEEP_ALIVE)
                else:
                    await asyncio.sleep(self._keep_alive_s - quiet_s)


async def first_message(call: Call, wait_s: float) -> asyncio.Future[Message]:
    """Return the read of a call's first message once it is done, or after a while if it is not."""
    first: asyncio.Future[Message] = asyncio.ensure_future(call.read())
    # A client may leave while the call fails: then nobody asks for the error.
    first.add_done_callback(lambda read: read.cancelled() or read.exception())
    await asyncio.wait({first}, timeout=wait_s)
    return first
