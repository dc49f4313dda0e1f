"""The service bodega.v1.Inference."""

from collections.abc import AsyncIterator

from bodega_api.v1 import inference_pb2, inference_pb2_grpc

from bodega.engine.request import Finish
from bodega.errors import InvalidRequest
from bodega.rpc.call import MODEL_KEY, TIMING_KEY, Context, current_call
from bodega.rpc.chat_request import chat_request
from bodega.services.chat import ChatAnswer, ChatService

_FINISH = {
    Finish.STOP: inference_pb2.FINISH_REASON_STOP,
    Finish.LENGTH: inference_pb2.FINISH_REASON_LENGTH,
}

Request = inference_pb2.CreateChatCompletionRequest
Chunk = inference_pb2.ChatCompletionChunk


class InferenceServicer(inference_pb2_grpc.InferenceServicer):
    """Serves chats."""

    def __init__(self, chat: ChatService) -> None:
        self._chat = chat

    async def CreateChatCompletion(
        self, request: Request, context: Context
    ) -> inference_pb2.ChatCompletion:
        """Answer a conversation whole."""
        if request.HasField("stream_options"):
            raise InvalidRequest(
                "'stream_options' is for streams: set 'stream' to true, or leave it out.",
                param="stream_options",
            )
        answer = await self._open(request, context)
        try:
            text = "".join([delta.text async for delta in answer])
        finally:
            answer.cancel()
        timings = _timings(answer)
        current_call.get().trailers.append((TIMING_KEY, _server_timing(timings)))
        return inference_pb2.ChatCompletion(
            id=answer.id,
            object="chat.completion",
            created=answer.created,
            model=request.model,
            choices=[
                inference_pb2.ChatChoice(
                    index=0,
                    message=inference_pb2.AssistantMessage(
                        role=inference_pb2.ROLE_ASSISTANT, content=text
                    ),
                    finish_reason=_finish_reason(answer),
                )
            ],
            usage=_usage(answer),
            timings=timings if request.timings else None,
        )

    async def StreamChatCompletion(
        self, request: Request, context: Context
    ) -> AsyncIterator[Chunk]:
        """Answer a conversation piece by piece."""
        answer = await self._open(request, context)
        try:
            opened = False
            async for delta in answer:
                if not opened:
                    opened = True
                    role = inference_pb2.ChatDelta(role=inference_pb2.ROLE_ASSISTANT, content="")
                    yield _chunk(request, answer, delta=role)
                if delta.text:
                    yield _chunk(request, answer, delta=inference_pb2.ChatDelta(content=delta.text))
            last = _chunk(
                request,
                answer,
                delta=inference_pb2.ChatDelta(),
                finish_reason=_finish_reason(answer),
            )
            if request.stream_options.include_usage:
                yield last
                last = _chunk(request, answer)
                last.usage.CopyFrom(_usage(answer))
            if request.timings:
                last.timings.CopyFrom(_timings(answer))
            yield last
        finally:
            answer.cancel()

    async def _open(self, request: Request, context: Context) -> ChatAnswer:
        call = current_call.get()
        answer = await self._chat.open(chat_request(request, request_id=call.request_id))
        call.metadata.append((MODEL_KEY, answer.model_id))
        try:
            # While the prompt is prefilled, not when there is something to answer.
            await call.send_metadata(context)
        except BaseException:
            answer.cancel()
            raise
        return answer


def _chunk(
    request: Request,
    answer: ChatAnswer,
    *,
    delta: inference_pb2.ChatDelta | None = None,
    finish_reason: inference_pb2.FinishReason | None = None,
) -> Chunk:
    chunk = Chunk(
        id=answer.id,
        object="chat.completion.chunk",
        created=answer.created,
        model=request.model,
    )
    if delta is not None:
        chunk.choices.add(index=0, delta=delta, finish_reason=finish_reason)
    return chunk


def _finish_reason(answer: ChatAnswer) -> inference_pb2.FinishReason:
    if answer.finish is None:
        raise RuntimeError("an answer ended without a reason")
    return _FINISH[answer.finish]


def _usage(answer: ChatAnswer) -> inference_pb2.Usage:
    return inference_pb2.Usage(
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        total_tokens=answer.prompt_tokens + answer.completion_tokens,
        prompt_tokens_details=inference_pb2.PromptTokensDetails(cached_tokens=answer.cached_tokens),
    )


def _timings(answer: ChatAnswer) -> inference_pb2.Timings:
    timings = answer.timings
    return inference_pb2.Timings(
        queue_ms=round(timings.queue_s * 1e3, 3),
        prefill_ms=round(timings.prefill_s * 1e3, 3),
        decode_ms=round(timings.decode_s * 1e3, 3),
        tokens_per_second=round(timings.tokens_per_second, 2),
    )


def _server_timing(timings: inference_pb2.Timings) -> str:
    """Return timings as the header Server-Timing spells them, in milliseconds."""
    return (
        f"queue;dur={timings.queue_ms}, prefill;dur={timings.prefill_ms}, "
        f"decode;dur={timings.decode_ms}"
    )
