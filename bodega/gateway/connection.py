"""One HTTP connection: ended when its client keeps it waiting, its own refusals as JSON."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

from aiohttp import StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from bodega import limits
from bodega.gateway.deadlines import Deadlines
from bodega.gateway.errors import answer_for, bad_http

SERVER = "Bodega"
"""What the header Server says."""


class HttpServer(web.Server):
    """The HTTP server: one handler, no access log."""

    def __init__(
        self,
        handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        deadlines: Deadlines,
    ) -> None:
        # Without cancellation a client that leaves would be noticed at the next write only,
        # and a call that writes nothing yet would run to its end.
        super().__init__(handle, request_factory=_request, handler_cancellation=True)
        self._deadlines = deadlines

    def __call__(self) -> RequestHandler:
        """Return the protocol of a new connection."""
        return _Connection(self, self._deadlines)


class _Connection(RequestHandler):
    def __init__(self, server: HttpServer, deadlines: Deadlines) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=deadlines.idle_s,
            lingering_time=deadlines.linger_s,
        )
        self._deadlines = deadlines
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        for timer in (self._head_timer, self._stall_timer):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._waits_for_head():
            if self._head_timer is None:
                self._expect_head()
        elif self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_timer = self._loop.call_later(self._deadlines.stall_s, self._give_up_stalled)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _waits_for_head(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _expect_head(self) -> None:
        self._head_timer = self._loop.call_later(self._deadlines.head_s, self._give_up_waiting)

    def _give_up_waiting(self) -> None:
        self._head_timer = None
        if self._waits_for_head():
            self.force_close()

    def _give_up_stalled(self) -> None:
        if self.transport is not None:
            # The system, too, forgets what it still had to send.
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # Closing would wait for what is still to be sent. The handler is cancelled.
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never became a request. aiohttp's text may quote it, so it is not told."""
        answer = bad_http(status) if exc is None or status < 500 else answer_for(exc)
        headers = {hdrs.SERVER: SERVER}
        response = web.Response(
            body=answer.body(), status=status, headers=headers, content_type="application/json"
        )
        response.force_close()
        return response


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=limits.MAX_BODY_BYTES
    )
