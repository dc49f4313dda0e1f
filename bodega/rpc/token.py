"""Who may call: the token's check, before anything is read of a call's messages."""

from collections.abc import Awaitable, Callable
from typing import NoReturn

import grpc

from bodega.bearer import HEADER, BearerToken
from bodega.errors import BodegaError
from bodega.rpc.call import Call, Context
from bodega.rpc.status import abort

_OPEN_METHOD = "/bodega.v1.Admin/GetHealth"
_OPEN_SERVICE = "/grpc.health.v1.Health/"


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Refuses callers without the token, whatever they call, but for health."""

    def __init__(self, token: BearerToken) -> None:
        self._token = token

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """Let a call pass, or answer it with the refusal."""
        method: str = handler_call_details.method
        if method != _OPEN_METHOD and not method.startswith(_OPEN_SERVICE):
            try:
                self._token.check(_authorization(handler_call_details))
            except BodegaError as error:
                return _refusing(error)
        return await continuation(handler_call_details)


def _authorization(details: grpc.HandlerCallDetails) -> str | None:
    """Return the metadata's one authorization; several are as good as none."""
    given = [value for key, value in details.invocation_metadata or () if key == HEADER]
    return given[0] if len(given) == 1 and isinstance(given[0], str) else None


def _refusing(error: BodegaError) -> grpc.RpcMethodHandler:
    async def refuse(_: object, context: Context) -> NoReturn:
        await abort(context, error, Call.of(context).request_id)

    # Of a stream no message has to come before it is answered.
    return grpc.stream_stream_rpc_method_handler(refuse)
