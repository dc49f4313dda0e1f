"""Every error as HTTP answers it: gRPC status, the gateway's own refusals, OpenAI's JSON.

The one place where a gRPC status becomes an HTTP status. The text of an error
that did not come from a core of ours never reaches a client.
"""

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
import orjson
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from bodega import limits
from bodega.errors import BodegaError, InternalError

logger = logging.getLogger(__name__)

DOMAIN = "bodega"

_STATUSES: dict[grpc.StatusCode, tuple[int, str]] = {
    grpc.StatusCode.INVALID_ARGUMENT: (400, "invalid_request_error"),
    grpc.StatusCode.OUT_OF_RANGE: (400, "invalid_request_error"),
    grpc.StatusCode.FAILED_PRECONDITION: (400, "invalid_request_error"),
    grpc.StatusCode.UNAUTHENTICATED: (401, "authentication_error"),
    grpc.StatusCode.PERMISSION_DENIED: (403, "permission_error"),
    grpc.StatusCode.NOT_FOUND: (404, "invalid_request_error"),
    grpc.StatusCode.ALREADY_EXISTS: (409, "invalid_request_error"),
    grpc.StatusCode.ABORTED: (409, "invalid_request_error"),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (429, "rate_limit_error"),
    grpc.StatusCode.CANCELLED: (499, "timeout_error"),
    grpc.StatusCode.UNAVAILABLE: (503, "server_error"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (504, "timeout_error"),
    grpc.StatusCode.UNIMPLEMENTED: (501, "server_error"),
}
_OWN_FAULT = (500, "server_error")

_STATUSES_BY_CODE = {
    "insufficient_memory": (503, "server_error"),
    "insufficient_disk": (507, "server_error"),
    "download_damaged": (502, "server_error"),
}
"""Codes whose HTTP status is not their gRPC status's."""

_NO_ANSWER = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})

_NEVER_RETRY = frozenset({"no_model_loaded", "insufficient_memory"})
"""Codes that waiting does not help; OpenAI's clients would try again for seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAnswer:
    """An error as HTTP answers it.

    Attributes:
        type: OpenAI's class of the error.
        param: the member of the request at fault, if one is.
        headers: headers of the answer besides the usual ones.
    """

    status: int
    type: str
    code: str
    message: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        """Return the JSON text of a response, and of most streams' event."""
        return orjson.dumps({"error": self._error()})

    def event(self, members: Mapping[str, Any]) -> bytes:
        """Return the JSON text of an event of a stream whose events all have some members."""
        return orjson.dumps({**members, "message": self.message, "error": self._error()})

    def _error(self) -> dict[str, str | None]:
        return {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }


class Refused(Exception):
    """An HTTP request that is answered before any RPC is called."""

    def __init__(self, answer: ErrorAnswer) -> None:
        super().__init__(answer.message)
        self.answer = answer


def answer_for(error: BaseException) -> ErrorAnswer:
    """Return the answer for whatever stopped a request; what is unforeseen is logged.

    A boundary hands its exceptions here.
    """
    if isinstance(error, Refused):
        return error.answer
    if isinstance(error, BodegaError):
        return from_error(error)
    if isinstance(error, grpc.aio.AioRpcError):
        return from_call(error)
    logger.error("a request failed unforeseen", exc_info=error)
    return from_error(InternalError())


def from_call(error: grpc.aio.AioRpcError) -> ErrorAnswer:
    """Return the answer for a call that failed."""
    details = _details(error)
    info = details.get(error_details_pb2.ErrorInfo)
    if info is None or info.domain != DOMAIN:
        return _foreign(error.code())
    code = info.reason.lower()
    status, kind = _STATUSES_BY_CODE.get(code) or _STATUSES.get(error.code(), _OWN_FAULT)
    bad_request = details.get(error_details_pb2.BadRequest)
    violations = bad_request.field_violations if bad_request is not None else ()
    retry = details.get(error_details_pb2.RetryInfo)
    delay_s = retry.retry_delay.ToMilliseconds() / 1000 if retry is not None else None
    return ErrorAnswer(
        status=status,
        type=kind,
        code=code,
        message=error.details() or "",
        param=violations[0].field if violations else None,
        headers=_headers(status, code, delay_s),
    )


def from_error(error: BodegaError) -> ErrorAnswer:
    """Return the answer for an error that the gateway itself found."""
    status, kind = _STATUSES.get(grpc.StatusCode[error.status.name], _OWN_FAULT)
    return ErrorAnswer(
        status=status,
        type=kind,
        code=error.code,
        message=error.message,
        param=error.param,
        headers=_headers(status, error.code, error.retry_after_s),
    )


def core_unavailable() -> ErrorAnswer:
    """Return the answer for a core that cannot be reached."""
    return ErrorAnswer(
        status=503,
        type="server_error",
        code="core_unavailable",
        message="The inference core cannot be reached. It may be starting; try again shortly.",
        headers={"Retry-After": "1"},
    )


def is_unreachable(error: grpc.aio.AioRpcError) -> bool:
    """Tell whether a call failed because no core of ours answered it, or none in time."""
    answered = error_details_pb2.ErrorInfo in _details(error)
    return error.code() in _NO_ANSWER and not answered


def unknown_path() -> ErrorAnswer:
    """Return the answer for a path that nothing has."""
    return ErrorAnswer(
        status=404,
        type="invalid_request_error",
        code="unknown_path",
        message="There is nothing at this path. GET /openapi.json lists the paths there are.",
    )


def method_not_allowed(verbs: Iterable[str]) -> ErrorAnswer:
    """Return the answer for a path that takes other verbs."""
    allowed = ", ".join(verbs)
    return ErrorAnswer(
        status=405,
        type="invalid_request_error",
        code="method_not_allowed",
        message=f"This path takes {allowed} only.",
        headers={"Allow": allowed},
    )


def body_too_large() -> ErrorAnswer:
    """Return the answer for a body over the limit."""
    mebibytes = limits.MAX_BODY_BYTES // 2**20
    return ErrorAnswer(
        status=413,
        type="invalid_request_error",
        code="body_too_large",
        message=f"The body is larger than {mebibytes} MiB, unpacked, which is the most taken.",
    )


def body_too_slow() -> ErrorAnswer:
    """Return the answer for a body that does not come."""
    return ErrorAnswer(
        status=408,
        type="invalid_request_error",
        code="body_too_slow",
        message="The body did not come in time: the server has waited for the rest of it.",
        headers={"Connection": "close"},
    )


def unsupported_media_type() -> ErrorAnswer:
    """Return the answer for a body that does not say it is JSON."""
    return ErrorAnswer(
        status=415,
        type="invalid_request_error",
        code="unsupported_media_type",
        message="Send the body as JSON in UTF-8, with the header Content-Type: application/json.",
    )


def bad_http(status: int) -> ErrorAnswer:
    """Return the answer for bytes that are no HTTP request."""
    return ErrorAnswer(
        status=status,
        type="invalid_request_error",
        code="bad_http",
        message="The request is not valid HTTP.",
    )


def forbidden(code: str, message: str) -> ErrorAnswer:
    """Return the answer for a request that a guard stops."""
    return ErrorAnswer(status=403, type="permission_error", code=code, message=message)


def _foreign(code: grpc.StatusCode) -> ErrorAnswer:
    if code == grpc.StatusCode.UNAVAILABLE:
        return core_unavailable()
    texts = {
        grpc.StatusCode.CANCELLED: ("cancelled", "The request was cancelled."),
        grpc.StatusCode.DEADLINE_EXCEEDED: ("deadline_exceeded", "The answer took too long."),
        grpc.StatusCode.UNIMPLEMENTED: ("unimplemented", "The core does not serve this."),
    }
    if code not in texts:
        return from_error(InternalError())
    status, kind = _STATUSES[code]
    return ErrorAnswer(status=status, type=kind, code=texts[code][0], message=texts[code][1])


def _details(error: grpc.aio.AioRpcError) -> dict[type, Any]:
    try:
        status = rpc_status.from_call(cast("grpc.Call", error))
    except ValueError:
        return {}
    found: dict[type, Any] = {}
    for packed in status.details if status is not None else ():
        for kind in _DETAILS:
            detail = kind()
            if packed.Unpack(detail):
                found[kind] = detail
    return found


_DETAILS = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.RetryInfo,
)


def _headers(status: int, code: str, delay_s: float | None) -> dict[str, str]:
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="bodega"'}
    if code in _NEVER_RETRY:
        return {"x-should-retry": "false"}
    return {} if delay_s is None else {"Retry-After": str(max(1, math.ceil(delay_s)))}
