"""Numbers of a request against the ranges that the contract declares for them."""

import math
from functools import cache

from bodega_api.v1 import dialect_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from bodega.errors import InvalidRequest


def check_ranges(request: Message) -> None:
    """Check the fields of a request that are set and have a range.

    Raises:
        InvalidRequest: a number is outside its range or not finite.
    """
    for name, accepted in _ranges(request.DESCRIPTOR):
        if not request.HasField(name):
            continue
        value = getattr(request, name)
        if not math.isfinite(value):
            raise InvalidRequest(f"'{name}' must be a finite number.", param=name)
        if not _within(value, accepted):
            raise InvalidRequest(
                f"'{name}' must be {_in_words(accepted)}; it is {value:g}.", param=name
            )


@cache
def _ranges(message: Descriptor) -> list[tuple[str, dialect_pb2.Range]]:
    ranges = []
    for field in message.fields:
        options = field.GetOptions()
        dialect: dialect_pb2.FieldDialect = options.Extensions[dialect_pb2.field]  # type: ignore[index]
        if dialect.HasField("range"):
            ranges.append((field.name, dialect.range))
    return ranges


def _within(value: float, accepted: dialect_pb2.Range) -> bool:
    if accepted.HasField("min") and value < accepted.min:
        return False
    if accepted.HasField("max") and value > accepted.max:
        return False
    return not (accepted.HasField("above") and value <= accepted.above)


def _in_words(accepted: dialect_pb2.Range) -> str:
    words = []
    if accepted.HasField("min"):
        words.append(f"at least {accepted.min:.10g}")
    if accepted.HasField("above"):
        words.append(f"above {accepted.above:.10g}")
    if accepted.HasField("max"):
        words.append(f"at most {accepted.max:.10g}")
    return " and ".join(words)
