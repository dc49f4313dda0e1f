"""What every refusal looks like, so that a test need only tell what is its own."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
import requests

from tests.end_to_end.plain_http import Answer
from tests.end_to_end.test_grpc import error_details

MAX_MESSAGE_CHARS = 1100

TYPES = {403: "permission_error", 429: "rate_limit_error", 503: "server_error"}
"""Error types by status; every other one is the request's own fault."""


def refusal(
    answer: requests.Response | Answer, status: int, code: str, param: str | None = None
) -> str:
    """Check an error answer of HTTP in all its parts, and return its message."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"]
    assert set(answer.json()) == {"error"}
    error = answer.json()["error"]
    message = error.pop("message")
    kind = TYPES.get(status, "invalid_request_error")
    assert error == {"type": kind, "param": param, "code": code}, message
    assert_is_a_message(message)
    return str(message)


def grpc_refusal(call: Callable[[], Any], status: grpc.StatusCode, code: str, param: str) -> str:
    """Check the error that a gRPC call ends with, and return its message."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    assert raised.value.code() == status, raised.value
    info, violation = error_details(raised.value)
    assert (info.domain, info.reason) == ("bodega", code.upper())
    assert violation is not None
    assert violation.field == param
    message = raised.value.details()
    assert violation.description == message
    assert_is_a_message(message)
    return str(message)


def assert_is_a_message(text: str) -> None:
    """Check that a text is a line for people: words, not too many, and nothing unprintable."""
    assert 10 < len(text) <= MAX_MESSAGE_CHARS
    assert " " in text
    assert text.isprintable()
