"""A core whose answers a test scripts, and a real gateway in front of it."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import aiohttp
import grpc
import pytest
from bodega_api.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    inference_pb2,
    inference_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
)
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from bodega.config import GatewayConfig
from bodega.gateway.server import serve

Context: TypeAlias = grpc.aio.ServicerContext


def chat_request(**members: Any) -> dict[str, Any]:
    """Return the JSON of a small chat request."""
    return {"model": "current", "messages": [{"role": "user", "content": "Hi"}], **members}


def chat_answer() -> inference_pb2.ChatCompletion:
    """Return a whole answer."""
    return inference_pb2.ChatCompletion(
        id="chatcmpl_1",
        object="chat.completion",
        created=1_750_000_000,
        model="current",
        choices=[
            inference_pb2.ChatChoice(
                index=0,
                message=inference_pb2.AssistantMessage(
                    role=inference_pb2.ROLE_ASSISTANT, content="Hello"
                ),
                finish_reason=inference_pb2.FINISH_REASON_STOP,
            )
        ],
        usage=inference_pb2.Usage(prompt_tokens=3, completion_tokens=1, total_tokens=4),
    )


def chunk(content: str) -> inference_pb2.ChatCompletionChunk:
    """Return a piece of an answer."""
    delta = inference_pb2.ChatDelta(content=content)
    return inference_pb2.ChatCompletionChunk(
        id="chatcmpl_1",
        object="chat.completion.chunk",
        created=1_750_000_000,
        model="current",
        choices=[inference_pb2.ChatChunkChoice(index=0, delta=delta)],
    )


async def fail(
    context: Context,
    code: int,
    reason: str,
    message: str,
    *,
    param: str | None = None,
    retry_after_ms: int | None = None,
) -> NoReturn:
    """End a call as the core ends it: with ErrorInfo, and what else the error has."""
    details = [error_details_pb2.ErrorInfo(reason=reason, domain="bodega")]
    if param is not None:
        violation = error_details_pb2.BadRequest.FieldViolation(field=param, description=message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if retry_after_ms is not None:
        delay = Duration()
        delay.FromMilliseconds(retry_after_ms)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    status = status_pb2.Status(code=code, message=message, details=packed)
    await context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError


async def _default_chat(_: Any, __: Context) -> inference_pb2.ChatCompletion:
    return chat_answer()


async def _default_stream(_: Any, __: Context) -> AsyncIterator[inference_pb2.ChatCompletionChunk]:
    yield chunk("Good")
    yield chunk(" day")


async def _load(request: Any, _: Context) -> admin_pb2.LoadModelResponse:
    return admin_pb2.LoadModelResponse(
        status="loaded", model_id="m", model_path=request.model_path, model_type=1
    )


async def _health(_: Any, __: Context) -> admin_pb2.GetHealthResponse:
    return admin_pb2.GetHealthResponse(
        status=admin_pb2.HEALTH_STATUS_OK,
        model_id="m",
        model_status=admin_pb2.MODEL_STATUS_INITIALIZED,
    )


async def _model(request: Any, _: Context) -> models_pb2.Model:
    return models_pb2.Model(id=request.model, object="model")


@dataclass
class ScriptedCore:
    """What the core does, changed by each test, and what it saw."""

    target: str = ""
    chat: Callable[[Any, Context], Awaitable[Any]] = _default_chat
    stream: Callable[[Any, Context], AsyncIterator[Any]] = _default_stream
    load: Callable[[Any, Context], Awaitable[Any]] = _load
    health: Callable[[Any, Context], Awaitable[Any]] = _health
    model: Callable[[Any, Context], Awaitable[Any]] = _model
    requests: list[Any] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def hang(self, *_: Any) -> NoReturn:
        """Wait until the call is cancelled, and note that it was."""
        self.entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError

    def note(self, request: Any, context: Context) -> None:
        """Remember a request."""
        self.requests.append(request)
        self.request_ids.append(dict(context.invocation_metadata() or ())["x-request-id"])


class _Inference(inference_pb2_grpc.InferenceServicer):
    def __init__(self, core: ScriptedCore) -> None:
        self._core = core

    async def CreateChatCompletion(self, request: Any, context: Context) -> Any:
        self._core.note(request, context)
        return await self._core.chat(request, context)

    async def StreamChatCompletion(self, request: Any, context: Context) -> AsyncIterator[Any]:
        self._core.note(request, context)
        async for message in self._core.stream(request, context):
            yield message


class _Admin(admin_pb2_grpc.AdminServicer):
    def __init__(self, core: ScriptedCore) -> None:
        self._core = core

    async def LoadModel(self, request: Any, context: Context) -> Any:
        self._core.note(request, context)
        return await self._core.load(request, context)

    async def UnloadModel(self, request: Any, context: Context) -> Any:
        self._core.note(request, context)
        return admin_pb2.UnloadModelResponse(status="unloaded")

    async def GetHealth(self, request: Any, context: Context) -> Any:
        return await self._core.health(request, context)

    async def GetCurrentModel(self, request: Any, context: Context) -> Any:
        return admin_pb2.GetCurrentModelResponse(loaded=False)


class _Models(models_pb2_grpc.ModelsServicer):
    def __init__(self, core: ScriptedCore) -> None:
        self._core = core

    async def ListModels(self, request: Any, context: Context) -> Any:
        self._core.note(request, context)
        return models_pb2.ListModelsResponse(object="list", data=[models_pb2.Model(id="m")])

    async def GetModel(self, request: Any, context: Context) -> Any:
        self._core.note(request, context)
        return await self._core.model(request, context)


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    """A folder with a short path: those of unix sockets may have about 100 characters."""
    with tempfile.TemporaryDirectory(prefix="bgw") as folder:
        yield Path(folder)


@pytest.fixture
async def core(socket_folder: Path) -> AsyncIterator[ScriptedCore]:
    """A running core."""
    scripted = ScriptedCore(target=f"unix:{socket_folder / 'core.sock'}")
    server = grpc.aio.server()
    inference_pb2_grpc.add_InferenceServicer_to_server(_Inference(scripted), server)
    admin_pb2_grpc.add_AdminServicer_to_server(_Admin(scripted), server)
    models_pb2_grpc.add_ModelsServicer_to_server(_Models(scripted), server)
    server.add_insecure_port(scripted.target)
    await server.start()
    yield scripted
    await server.stop(None)


@dataclass(frozen=True)
class Client:
    """An HTTP client of a running gateway."""

    session: aiohttp.ClientSession
    port: int

    def get(self, path: str, **options: Any) -> Any:
        """GET a path."""
        return self.session.get(path, **options)

    def post(self, path: str, **options: Any) -> Any:
        """POST to a path."""
        return self.session.post(path, **options)

    def chat(self, **members: Any) -> Any:
        """POST a small chat request with some members more."""
        return self.post("/v1/chat/completions", json=chat_request(**members))


Start = Callable[..., Awaitable[Client]]


@pytest.fixture
async def start(core: ScriptedCore) -> AsyncIterator[Start]:
    """Starts a gateway in front of the core, with settings of the test's own."""
    async with AsyncExitStack() as stack:

        async def start_one(
            *, target: str | None = None, timing: dict[str, Any] | None = None, **config: Any
        ) -> Client:
            settings = {"host": "127.0.0.1", "port": 0, "core": target or core.target} | config
            gateway = await stack.enter_async_context(
                serve(GatewayConfig(**settings), **({"drain_s": 60.0} | (timing or {})))
            )
            session = await stack.enter_async_context(
                aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}")
            )
            return Client(session=session, port=gateway.port)

        yield start_one


@pytest.fixture
async def client(start: Start) -> Client:
    """A client of a gateway with the default settings."""
    return await start()
