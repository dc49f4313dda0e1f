"""The gateway's process: channel, sockets, signals, and an orderly end."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from aiohttp import web

from bodega import lifeline, limits
from bodega.config import GatewayConfig
from bodega.gateway.app import App
from bodega.gateway.connection import HttpServer
from bodega.gateway.deadlines import Deadlines
from bodega.gateway.guards import Guards
from bodega.gateway.listener import BACKLOG, listen
from bodega.gateway.services import all_services, connect
from bodega.gateway.transcode import Transcoder
from bodega.ready import ReadyPipe

logger = logging.getLogger(__name__)

_CHANNEL_OPTIONS = (
    # A core that comes back is found in tenths of a second, not in gRPC's seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # What its name hides: how long one attempt may take, on a busy machine as well.
    ("grpc.min_reconnect_backoff_ms", round(limits.HEALTH_ANSWER_S * 1000)),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A generation is never started twice.
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
)
_LAST_WORDS_S = 2.0
"""Time for the errors that end the last requests to be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningGateway:
    """A gateway that listens."""

    port: int


def run(config: GatewayConfig) -> int:
    """Serve until a signal, and return the exit code of the process.

    Raises:
        ListenError: the host needs a token or is not of this machine, or the port is taken.
    """
    lifeline.watch(config.parent_fd)
    asyncio.run(_serve_until_signal(config))
    return 0


@asynccontextmanager
async def serve(
    config: GatewayConfig,
    *,
    keep_alive_s: float = limits.KEEP_ALIVE_COMMENT_S,
    drain_s: float = limits.SHUTDOWN_DRAIN_S,
    deadlines: Deadlines = Deadlines(),  # noqa: B008 - it cannot change
) -> AsyncIterator[RunningGateway]:
    """Serve while the context is open; on leaving, running requests may end first.

    Args:
        config: where to listen and which core to call.
        keep_alive_s: seconds of quiet after which a stream sends a comment.
        drain_s: seconds that running requests have to end, before an error ends them.
        deadlines: how long clients may keep it waiting.

    Raises:
        ListenError: the host needs a token or is not of this machine, or the port is taken.
    """
    sockets = listen(config.host, config.port, has_token=config.token is not None)
    async with grpc.aio.insecure_channel(config.core, options=_CHANNEL_OPTIONS) as channel:
        transcoder = Transcoder(all_services(), connect(channel), keep_alive_s=keep_alive_s)
        # What the operator said to listen on is a name that the operator allows.
        hosts = (*config.allow_hosts, _in_url(config.host))
        guards = Guards.allowing(hosts, config.allow_origins, token=config.token)
        app = App(transcoder, guards, deadlines)
        runner = web.ServerRunner(
            HttpServer(app.handle, deadlines), shutdown_timeout=drain_s + _LAST_WORDS_S
        )
        await runner.setup()
        for listener in sockets:
            await web.SockSite(runner, listener, backlog=BACKLOG).start()
        port = sockets[0].getsockname()[1]
        ready = ReadyPipe(config.ready_fd)
        ready.tell(http=f"http://{_in_url(config.host)}:{port}", port=port)
        beats = asyncio.create_task(ready.keep_beating())
        try:
            yield RunningGateway(port=port)
        finally:
            deadline = asyncio.get_running_loop().call_later(drain_s, transcoder.open_calls.end_all)
            await runner.cleanup()
            deadline.cancel()
            beats.cancel()
            ready.close()


async def _serve_until_signal(config: GatewayConfig) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def on_signal(number: int) -> None:
        if ended.is_set():
            # The second signal: whoever sends it does not want to wait.
            os._exit(128 + number)
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    async with serve(config) as gateway:
        if config.ready_fd is None:
            logger.info("gateway listens", extra={"fields": {"port": gateway.port}})
        await ended.wait()
        logger.info("gateway drains")


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
