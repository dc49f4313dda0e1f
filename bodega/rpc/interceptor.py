"""What holds for every call: its id, its metadata, and that no stray exception is told."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from bodega.errors import BodegaError, InternalError, InvalidRequest
from bodega.rpc.call import Call, Context, current_call
from bodega.rpc.status import abort

logger = logging.getLogger(__name__)

OURS = "/bodega.v1."

Handler: TypeAlias = grpc.RpcMethodHandler
Read: TypeAlias = Callable[[bytes], Any]


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Serves each call within a `Call` and turns exceptions into statuses."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of a call to one of our services; the others are gRPC's own."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(OURS):
            return handler
        # Read within the call, so that bytes which are no message are an error like others.
        read = handler.request_deserializer
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                _streaming(handler.unary_stream, read, method),
                response_serializer=handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            _unary(handler.unary_unary, read, method),
            response_serializer=handler.response_serializer,
        )


def _unary(
    serve: Callable[[Any, Context], Awaitable[Any]], read: Read, method: str
) -> Callable[[bytes, Context], Awaitable[Any]]:
    async def served(message: bytes, context: Context) -> Any:
        call = Call.of(context)
        current_call.set(call)
        try:
            answer = await serve(read(message), context)
            await call.send_metadata(context)
            if call.trailers:
                context.set_trailing_metadata(tuple(call.trailers))
        except Exception as error:  # noqa: BLE001 - boundary: clients get statuses only
            await _abort(context, call, method, error)
        return answer

    return served


def _streaming(
    serve: Callable[[Any, Context], AsyncGenerator[Any, None]], read: Read, method: str
) -> Callable[[bytes, Context], AsyncIterator[Any]]:
    async def served(message: bytes, context: Context) -> AsyncIterator[Any]:
        call = Call.of(context)
        current_call.set(call)
        try:
            # Closed here and now if the client leaves between two messages.
            async with aclosing(serve(read(message), context)) as answers:
                async for answer in answers:
                    await call.send_metadata(context)
                    yield answer
        except Exception as error:  # noqa: BLE001 - boundary: clients get statuses only
            await _abort(context, call, method, error)

    return served


async def _abort(context: Context, call: Call, method: str, error: Exception) -> None:
    """End a call with the status of an error. Always raises."""
    if isinstance(error, grpc.aio.AbortError | asyncio.CancelledError):
        raise error
    if isinstance(error, DecodeError):
        error = InvalidRequest("The bytes are no message of this method.", param="body")
    if not isinstance(error, BodegaError):
        logger.exception(
            "a call failed", extra={"fields": {"method": method, "request": call.request_id}}
        )
        error = InternalError()
    await abort(context, error, call.request_id)
