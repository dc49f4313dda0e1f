"""What a call failed with: gRPC's error and its google.rpc details as one exception."""

from collections.abc import Iterable
from typing import Final, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

UNREACHABLE: Final = "unreachable"
"""The code of an error where no server answers, or the connection broke."""

Trailers: TypeAlias = Iterable[tuple[str, str | bytes]]

_DETAILS_KEY: Final = "grpc-status-details-bin"
_REQUEST_ID_KEY: Final = "x-request-id"


class CallError(Exception):
    """A call failed.

    Attributes:
        code: what went wrong, as the HTTP API spells it, for example ``model_not_found``;
            ``unreachable`` where no server answers; else the gRPC status in lower case, for
            example ``deadline_exceeded``.
        message: the same in words, with what to do about it.
        param: the request field at fault, if one is.
        retry_after_s: seconds after which another try may succeed, if any may.
        request_id: the label of the call in the server's log, if it came that far.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.request_id = request_id


def call_error(
    status: grpc.StatusCode, message: str | None, trailers: Trailers | None, address: str
) -> CallError:
    """Return the exception for a call that has failed.

    Args:
        status: what it ended with.
        message: what came with that.
        trailers: its trailing metadata.
        address: the server that was called.
    """
    metadata = dict(trailers or ())
    request_id = metadata.get(_REQUEST_ID_KEY)
    details = _details(metadata.get(_DETAILS_KEY))
    info = error_details_pb2.ErrorInfo()
    if not _unpack(details, info):
        # A status without them is not the server's own.
        return CallError(*_of_connection(status, message or "", address))
    fault, retry = error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    has_fault = _unpack(details, fault) and bool(fault.field_violations)
    may_retry = _unpack(details, retry)
    return CallError(
        info.reason.lower(),
        message or "",
        param=fault.field_violations[0].field if has_fault else None,
        retry_after_s=retry.retry_delay.ToMilliseconds() / 1000 if may_retry else None,
        request_id=request_id if isinstance(request_id, str) else None,
    )


def no_answer() -> CallError:
    """Return the exception for a call that ended well and without its answer."""
    return CallError("internal_error", "The server ended the call without an answer.")


def _details(serialized: object) -> status_pb2.Status:
    status = status_pb2.Status()
    if isinstance(serialized, bytes):
        try:
            status.ParseFromString(serialized)
        except DecodeError:
            status.Clear()
    return status


def _unpack(
    status: status_pb2.Status,
    detail: error_details_pb2.ErrorInfo
    | error_details_pb2.BadRequest
    | error_details_pb2.RetryInfo,
) -> bool:
    return any(packed.Unpack(detail) for packed in status.details)


def _of_connection(status: grpc.StatusCode, details: str, address: str) -> tuple[str, str]:
    if status is grpc.StatusCode.UNAVAILABLE:
        return UNREACHABLE, (
            f"No server answers at {address}, or the connection broke. 'bodega serve' starts one; "
            "BODEGA_CORE or --core says where another one is."
        )
    if status is grpc.StatusCode.UNIMPLEMENTED:
        return "unimplemented", f"The server at {address} is older than this client: {details}."
    return status.name.lower(), details or f"The call ended with {status.name}."
