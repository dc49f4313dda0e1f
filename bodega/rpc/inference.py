"""The service bodega.v1.Inference."""

from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

from bodega_api.v1 import inference_pb2, inference_pb2_grpc

from bodega.errors import InvalidRequest
from bodega.rpc.call import MODEL_KEY, TIMING_KEY, Context, current_call
from bodega.rpc.chat_answer import Chunk, Chunks, whole_answer
from bodega.rpc.chat_request import chat_request
from bodega.rpc.completion_answer import Completion, completion_piece, whole_completion
from bodega.rpc.completion_request import completion_request
from bodega.rpc.generation_request import Request
from bodega.rpc.usage import server_timing, timings, usage
from bodega.services.answer import Answer
from bodega.services.chat import ChatService
from bodega.services.completions import CompletionService

ChatRequest = inference_pb2.CreateChatCompletionRequest
CompletionRequest = inference_pb2.CreateCompletionRequest

Opened = TypeVar("Opened", bound=Answer[Any])
Whole = TypeVar("Whole", inference_pb2.ChatCompletion, Completion)


class InferenceServicer(inference_pb2_grpc.InferenceServicer):
    """Serves chats and completions."""

    def __init__(self, chat: ChatService, completions: CompletionService) -> None:
        self._chat = chat
        self._completions = completions

    async def CreateChatCompletion(
        self, request: ChatRequest, context: Context
    ) -> inference_pb2.ChatCompletion:
        """Answer a conversation whole."""
        _refuse_stream_options(request)
        asked = chat_request(request, request_id=current_call.get().request_id)
        answer = await _begin(self._chat.open(asked), context)
        return await _end(answer, request, whole_answer(answer, request))

    async def StreamChatCompletion(
        self, request: ChatRequest, context: Context
    ) -> AsyncIterator[Chunk]:
        """Answer a conversation piece by piece."""
        asked = chat_request(request, request_id=current_call.get().request_id)
        answer = await _begin(self._chat.open(asked), context)
        try:
            chunks = Chunks(answer, request)
            last: Chunk | None = None
            async for piece in answer:
                for chunk in chunks.of(piece):
                    yield chunk
                if piece.finish is not None:
                    last = chunks.end(piece.choice, piece.finish)
                    if not answer.has_ended:
                        yield last
            assert last is not None, "every answer has a choice"
            if request.stream_options.include_usage:
                yield last
                last = chunks.usage()
            if request.timings:
                last.timings.CopyFrom(timings(answer))
            yield last
        finally:
            answer.cancel()

    async def CreateCompletion(self, request: CompletionRequest, context: Context) -> Completion:
        """Go on from texts and return what comes whole."""
        _refuse_stream_options(request)
        asked = completion_request(request, request_id=current_call.get().request_id)
        answer = await _begin(self._completions.open(asked), context)
        return await _end(answer, request, whole_completion(answer, request))

    async def StreamCompletion(
        self, request: CompletionRequest, context: Context
    ) -> AsyncIterator[Completion]:
        """Go on from texts piece by piece."""
        asked = completion_request(request, request_id=current_call.get().request_id)
        answer = await _begin(self._completions.open(asked), context)
        try:
            last: Completion | None = None
            async for piece in answer:
                last = completion_piece(answer, request, piece)
                if not answer.has_ended:
                    yield last
            assert last is not None, "every answer has a choice"
            if request.stream_options.include_usage:
                yield last
                last = completion_piece(answer, request)
                last.usage.CopyFrom(usage(answer))
            if request.timings:
                last.timings.CopyFrom(timings(answer))
            yield last
        finally:
            answer.cancel()


def _refuse_stream_options(request: Request) -> None:
    if request.HasField("stream_options"):
        raise InvalidRequest(
            "'stream_options' is for streams: set 'stream' to true, or leave it out.",
            param="stream_options",
        )


async def _begin(opening: Awaitable[Opened], context: Context) -> Opened:
    """Open an answer and tell who answers."""
    call = current_call.get()
    answer = await opening
    call.metadata.append((MODEL_KEY, answer.model_id))
    try:
        # While the prompt is prefilled, not when there is something to answer.
        await call.send_metadata(context)
    except BaseException:
        answer.cancel()
        raise
    return answer


async def _end(answer: Answer[Any], request: Request, ending: Awaitable[Whole]) -> Whole:
    """Return an answer when it is whole, with its timings where they are asked for."""
    try:
        whole = await ending
    finally:
        answer.cancel()
    told = timings(answer)
    current_call.get().trailers.append((TIMING_KEY, server_timing(told)))
    if request.timings:
        whole.timings.CopyFrom(told)
    return whole
