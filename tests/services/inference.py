"""The service Inference over a scripted model, without a network."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bodega_api.v1 import inference_pb2

from bodega.config import LoadParameters
from bodega.engine.engine import Engine
from bodega.engine.text_resident import Admission
from bodega.gateway.decode import Decoder
from bodega.rpc.call import Call, current_call
from bodega.rpc.inference import InferenceServicer
from bodega.services.chat import ChatService
from bodega.services.completions import CompletionService
from bodega.services.loaded_model import LoadedModel
from bodega.services.uses import Uses
from tests.engine.scripted import ScriptedModel

Json = dict[str, Any]

CHAT = Decoder(inference_pb2.CreateChatCompletionRequest.DESCRIPTOR)
COMPLETION = Decoder(inference_pb2.CreateCompletionRequest.DESCRIPTOR)


class _Context:
    async def send_initial_metadata(self, metadata: Any) -> None:
        pass


@dataclass
class _Residency:
    loaded: LoadedModel

    async def find(self, name: str) -> LoadedModel:
        return self.loaded


@dataclass
class Inference:
    """The service, asked with JSON as HTTP has it.

    Attributes:
        model: the scripted model behind it.
    """

    model: ScriptedModel
    loaded: LoadedModel
    servicer: InferenceServicer
    context: Any = field(default_factory=_Context)

    async def chat(self, **members: Any) -> inference_pb2.ChatCompletion:
        """Return an answer whole."""
        current_call.set(Call("test"))
        request = CHAT.decode(chat_body(**members)).message
        return await self.servicer.CreateChatCompletion(request, self.context)  # type: ignore[arg-type]

    async def chunks(self, **members: Any) -> list[inference_pb2.ChatCompletionChunk]:
        """Return an answer's chunks."""
        current_call.set(Call("test"))
        request = CHAT.decode(chat_body(**members)).message
        stream = self.servicer.StreamChatCompletion(request, self.context)  # type: ignore[arg-type]
        return [chunk async for chunk in stream]

    async def completion(self, **members: Any) -> inference_pb2.Completion:
        """Return a completion whole."""
        current_call.set(Call("test"))
        request = COMPLETION.decode({"model": "current", **members}).message
        return await self.servicer.CreateCompletion(request, self.context)  # type: ignore[arg-type]

    async def completion_pieces(self, **members: Any) -> list[inference_pb2.Completion]:
        """Return a completion's pieces."""
        current_call.set(Call("test"))
        request = COMPLETION.decode({"model": "current", **members}).message
        stream = self.servicer.StreamCompletion(request, self.context)  # type: ignore[arg-type]
        return [piece async for piece in stream]


def chat_body(**members: Any) -> Json:
    """Return the members of a small chat request."""
    return {"model": "current", "messages": [{"role": "user", "content": "Hi"}], **members}


def tool(name: str = "look", **function: Any) -> Json:
    """Return a tool."""
    return {"type": "function", "function": {"name": name, **function}}


@asynccontextmanager
async def inference(
    engine: Engine,
    *,
    reasoning_parser: str = "none",
    tool_call_parser: str = "none",
    max_concurrency: int = 8,
) -> AsyncIterator[Inference]:
    """Serve a scripted model."""
    model = ScriptedModel()
    admission = Admission(max_concurrency=max_concurrency, queue_size=4, queue_timeout_s=60)
    resident = await engine.open(model, admission)
    folder = Path("/scripted")
    loaded = LoadedModel(
        model_id="scripted",
        folder=folder,
        parameters=LoadParameters(model_path=str(folder)),
        resident=resident,
        reasoning_parser=reasoning_parser,
        tool_call_parser=tool_call_parser,
        loaded_at=0,
        load_seconds=0.0,
        use=Uses().begin(folder, "loaded"),
    )
    residency: Any = _Residency(loaded)
    servicer = InferenceServicer(ChatService(residency), CompletionService(residency))
    yield Inference(model, loaded, servicer)
