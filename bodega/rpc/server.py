"""The core: builds the engine, the services and the gRPC server, and runs them.

The one place where everything is wired.
"""

import asyncio
import logging
import os
import signal
from contextlib import suppress
from dataclasses import dataclass

import grpc
from bodega_api.v1 import admin_pb2_grpc, inference_pb2_grpc, models_pb2_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from bodega import lifeline, listen, platform
from bodega.backends.registry import prepare_device, release_device
from bodega.bearer import BearerToken
from bodega.config import CoreConfig, LoadParameters
from bodega.engine.engine import Engine
from bodega.errors import BodegaError
from bodega.hub.removal import sweep_removed
from bodega.limits import BEAT_S, HEAD_S, MAX_MESSAGE_BYTES, SHUTDOWN_DRAIN_S
from bodega.ready import ReadyPipe
from bodega.rpc.admin import AdminServicer
from bodega.rpc.inference import InferenceServicer
from bodega.rpc.interceptor import CallInterceptor
from bodega.rpc.models import ModelsServicer
from bodega.rpc.token import TokenInterceptor
from bodega.services.chat import ChatService
from bodega.services.completions import CompletionService
from bodega.services.downloads import Downloads
from bodega.services.health import HealthService
from bodega.services.imports import Imports
from bodega.services.library import Library
from bodega.services.models import ModelsService
from bodega.services.residency import Residency
from bodega.services.state_file import StateFile
from bodega.services.uses import Uses

logger = logging.getLogger(__name__)

INFERENCE = "bodega.v1.Inference"
REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"
SERVICES = (INFERENCE, "bodega.v1.Admin", "bodega.v1.Models")

OPTIONS = (
    # Without this a second server shares the port in silence.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
    # Who connects and does not begin to speak HTTP/2 is sent away.
    ("grpc.server_handshake_timeout_ms", round(HEAD_S * 1000)),
    # Half-open connections end: ping after a quiet minute, give up after twenty seconds.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)


@dataclass(frozen=True, slots=True)
class Core:
    """The parts of a core that its life touches."""

    server: grpc.aio.Server
    engine: Engine
    residency: Residency
    downloads: Downloads
    imports: Imports
    models: ModelsService
    health: health.aio.HealthServicer
    answering: HealthService


def build(config: CoreConfig) -> Core:
    """Build a core that does not listen yet. On a running event loop."""
    engine = Engine(prepare=prepare_device, release=release_device)
    uses = Uses()
    downloads = Downloads(uses, allow_remote_code=config.allow_remote_code)
    imports = Imports(engine, uses, config.home)
    residency = Residency(
        engine,
        Library(imports, downloads, config.home),
        uses,
        StateFile(config.state_file),
        allow_remote_code=config.allow_remote_code,
        auto_load=config.auto_load,
    )
    answering = HealthService(engine, residency)
    interceptors: list[grpc.aio.ServerInterceptor] = [CallInterceptor()]
    if config.token is not None:
        interceptors.insert(0, TokenInterceptor(BearerToken(config.token)))
    server = grpc.aio.server(interceptors=interceptors, options=OPTIONS)
    inference_pb2_grpc.add_InferenceServicer_to_server(
        InferenceServicer(ChatService(residency), CompletionService(residency)), server
    )
    admin_pb2_grpc.add_AdminServicer_to_server(AdminServicer(residency, answering), server)
    models = ModelsService(residency, uses, config.home)
    models_pb2_grpc.add_ModelsServicer_to_server(ModelsServicer(models, downloads, imports), server)
    status = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    _add_reflection(server)
    return Core(server, engine, residency, downloads, imports, models, status, answering)


def run(config: CoreConfig) -> int:
    """Run a core until it is told to end; return the process's exit code.

    Raises:
        ListenError: the host needs a token or is not of this machine, or the port or socket is
            taken.
    """
    lifeline.watch(config.parent_fd)
    return asyncio.run(_run(config))


async def _run(config: CoreConfig) -> int:
    stop = _stop_event()
    core = build(config)
    port = _bind(core.server, config)
    core.engine.start()
    load = core.residency.begin(config.load)
    await core.server.start()
    ready = ReadyPipe(config.ready_fd)
    updates = asyncio.create_task(_keep_health(core, ready))
    blas = platform.loaded_blas()
    ready.tell(
        grpc=f"{_in_url(config.host)}:{port}" if config.host is not None else None,
        port=port,
        socket=str(config.socket) if config.socket is not None else None,
        blas=blas.name if blas is not None else None,
    )
    if config.ready_fd is None:
        logger.info("core listens", extra={"fields": {"port": port, "socket": config.socket}})
    sweep = asyncio.create_task(asyncio.to_thread(sweep_removed, config.home))
    first_load = asyncio.create_task(_first_load(core.residency, load, ready))
    await stop.wait()
    first_load.cancel()
    await end(core)
    updates.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(first_load, updates, sweep)
    ready.close()
    return 0


async def end(core: Core) -> None:
    """Drain: no new work, running answers may end, then the engine and the server do."""
    await core.health.enter_graceful_shutdown()
    core.imports.close()
    core.models.close()
    await asyncio.gather(core.downloads.close(), core.residency.close(drain_s=SHUTDOWN_DRAIN_S))
    core.answering.note()
    core.answering.changes.end()
    await core.engine.stop()
    await core.server.stop(grace=2.0)


async def _first_load(residency: Residency, load: LoadParameters | None, ready: ReadyPipe) -> None:
    """Load the model that the core starts with, and tell the supervisor how it went."""
    if load is None:
        return
    ready.tell(loading=load.model_path)
    try:
        loaded = await residency.restore(load)
        ready.tell(
            loaded=loaded.model_id,
            seconds=round(loaded.load_seconds, 3),
            context_length=loaded.context_length,
            warnings=list(loaded.resident.info.warnings),
        )
    except BodegaError as error:
        logger.error("loading the model failed: %s", error.message)  # noqa: TRY400
        ready.tell(load_failed=error.message)


async def _keep_health(core: Core, ready: ReadyPipe) -> None:
    """Keep grpc.health.v1 and the supervisor in step with the core, at a change and each second.

    Chats need a model that moves, the other services do not. An engine that hangs ends the beats.
    """
    changed = asyncio.Event()

    def on_change() -> None:
        core.answering.note()
        changed.set()

    core.residency.on_change = on_change
    serving = health_pb2.HealthCheckResponse.SERVING
    for service in ("", *SERVICES):
        await core.health.set(service, serving)
    while True:
        if not core.engine.stuck:
            ready.beat()
        await core.health.set(
            INFERENCE,
            serving
            if core.answering.note().can_answer
            else health_pb2.HealthCheckResponse.NOT_SERVING,
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(BEAT_S):
                await changed.wait()
        changed.clear()


def _add_reflection(server: grpc.aio.Server) -> None:
    """Serve reflection under both of its names; the messages are the same."""
    names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    v1alpha = reflection.aio.ReflectionServicer(names)
    handler = grpc.stream_stream_rpc_method_handler(
        v1alpha.ServerReflectionInfo,
        request_deserializer=reflection._reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection._reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(REFLECTION_V1, {"ServerReflectionInfo": handler}),)
    )


def _bind(server: grpc.aio.Server, config: CoreConfig) -> int | None:
    """Listen where the configuration says; return the TCP port, if there is one.

    Raises:
        ListenError: the port or the socket is taken.
    """
    if config.socket is not None:
        listen.claim_socket(config.socket)
        server.add_insecure_port(f"unix:{config.socket}")
    if config.host is None:
        return None
    names = listen.addresses(config.host, has_token=config.token is not None)
    port = config.port or listen.free_port(names)
    try:
        for address in names:
            server.add_insecure_port(f"{_in_url(address)}:{port}")
    except RuntimeError as error:
        raise listen.port_taken(port, "--grpc-port") from error
    return port


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _stop_event() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set; a second signal ends the process at once."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    return stop
