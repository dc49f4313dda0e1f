"""BodegaError to gRPC status. The only place that knows both."""

from typing import NoReturn

import grpc
from google.protobuf import duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from bodega.errors import BodegaError
from bodega.log import escape
from bodega.rpc.call import REQUEST_ID_KEY, Context

DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "bodega"

_MAX_MESSAGE_BYTES = 1024
_MAX_PARAM_BYTES = 256
# A message leaves three times over, in part encoded, and clients take 8 KiB of metadata.


async def abort(context: Context, error: BodegaError, request_id: str) -> NoReturn:
    """End a call with the status of an error."""
    await context.abort(
        status_code(error),
        status_message(error),
        ((DETAILS_KEY, status_details(error)), (REQUEST_ID_KEY, request_id)),
    )
    raise AssertionError("grpc raises what ends the call")


def status_code(error: BodegaError) -> grpc.StatusCode:
    """Return the gRPC status code of an error."""
    return grpc.StatusCode[error.status.name]


def status_message(error: BodegaError) -> str:
    """Return the message of an error as it is told: on one line, and cut if it is long."""
    return _told(error.message, _MAX_MESSAGE_BYTES)


def status_details(error: BodegaError) -> bytes:
    """Return the serialized google.rpc.Status of an error.

    It carries ErrorInfo (the code in capitals), BadRequest if a field is at
    fault, and RetryInfo if another try may succeed.
    """
    message = status_message(error)
    status = status_pb2.Status(code=code_pb2.Code.Value(error.status.name), message=message)
    info = error_details_pb2.ErrorInfo(reason=error.code.upper(), domain=DOMAIN)
    status.details.add().Pack(info)
    if error.param is not None:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=_told(error.param, _MAX_PARAM_BYTES), description=message, reason=info.reason
        )
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after_s is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(error.retry_after_s * 1000))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    serialized: bytes = status.SerializeToString()
    return serialized


def _told(text: str, most_bytes: int) -> str:
    line = escape(text)
    encoded = line.encode()
    if len(encoded) <= most_bytes:
        return line
    return encoded[:most_bytes].decode(errors="ignore") + "..."
