"""Errors of the core as HTTP answers them."""

from typing import Any

import grpc
import pytest
from google.rpc import code_pb2

from bodega.errors import InvalidRequest, NoModelLoaded, QueueFull
from bodega.gateway.errors import answer_for, from_error

from .conftest import Client, Context, ScriptedCore, fail


def failing(*args: Any, **options: Any) -> Any:
    """Return a handler that fails as told."""

    async def handler(_: Any, context: Context) -> Any:
        await fail(context, *args, **options)

    return handler


@pytest.mark.parametrize(
    ("code", "reason", "status", "kind"),
    [
        (code_pb2.INVALID_ARGUMENT, "INVALID_VALUE", 400, "invalid_request_error"),
        (code_pb2.INVALID_ARGUMENT, "CONTEXT_LENGTH_EXCEEDED", 400, "invalid_request_error"),
        (code_pb2.OUT_OF_RANGE, "X", 400, "invalid_request_error"),
        (code_pb2.FAILED_PRECONDITION, "UNSUPPORTED_MODEL", 400, "invalid_request_error"),
        (code_pb2.UNAUTHENTICATED, "X", 401, "authentication_error"),
        (code_pb2.PERMISSION_DENIED, "REMOTE_CODE_NOT_ALLOWED", 403, "permission_error"),
        (code_pb2.NOT_FOUND, "MODEL_NOT_FOUND", 404, "invalid_request_error"),
        (code_pb2.ALREADY_EXISTS, "X", 409, "invalid_request_error"),
        (code_pb2.ABORTED, "MODEL_IN_USE", 409, "invalid_request_error"),
        (code_pb2.RESOURCE_EXHAUSTED, "QUEUE_FULL", 429, "rate_limit_error"),
        (code_pb2.RESOURCE_EXHAUSTED, "INSUFFICIENT_MEMORY", 503, "server_error"),
        (code_pb2.CANCELLED, "X", 499, "timeout_error"),
        (code_pb2.INTERNAL, "LOAD_FAILED", 500, "server_error"),
        (code_pb2.UNKNOWN, "X", 500, "server_error"),
        (code_pb2.DATA_LOSS, "X", 500, "server_error"),
        (code_pb2.UNIMPLEMENTED, "X", 501, "server_error"),
        (code_pb2.UNAVAILABLE, "MODEL_LOADING", 503, "server_error"),
        (code_pb2.DEADLINE_EXCEEDED, "X", 504, "timeout_error"),
    ],
)
async def test_a_status_of_the_core_becomes_its_http_status(
    client: Client, core: ScriptedCore, code: int, reason: str, status: int, kind: str
) -> None:
    core.chat = failing(code, reason, "What is wrong.")
    async with client.chat() as response:
        assert response.status == status
        assert "Retry-After" not in response.headers
        assert await response.json() == {
            "error": {
                "message": "What is wrong.",
                "type": kind,
                "param": None,
                "code": reason.lower(),
            }
        }


async def test_the_first_violation_is_the_param(client: Client, core: ScriptedCore) -> None:
    core.chat = failing(code_pb2.INVALID_ARGUMENT, "INVALID_VALUE", "No.", param="messages[0].role")
    async with client.chat() as response:
        assert (await response.json())["error"]["param"] == "messages[0].role"


@pytest.mark.parametrize(("delay_ms", "header"), [(1, "1"), (1000, "1"), (1001, "2"), (0, "1")])
async def test_retry_after_is_rounded_up(
    client: Client, core: ScriptedCore, delay_ms: int, header: str
) -> None:
    core.chat = failing(code_pb2.UNAVAILABLE, "MODEL_LOADING", "Wait.", retry_after_ms=delay_ms)
    async with client.chat() as response:
        assert response.headers["Retry-After"] == header
        assert "x-should-retry" not in response.headers


async def test_without_a_model_nobody_is_told_to_retry(client: Client, core: ScriptedCore) -> None:
    core.chat = failing(code_pb2.UNAVAILABLE, "NO_MODEL_LOADED", "None.", retry_after_ms=1000)
    async with client.chat() as response:
        assert response.status == 503
        assert response.headers["x-should-retry"] == "false"
        assert "Retry-After" not in response.headers


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, 503, "core_unavailable"),
        (grpc.StatusCode.UNKNOWN, 500, "internal_error"),
        (grpc.StatusCode.INTERNAL, 500, "internal_error"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 500, "internal_error"),
        (grpc.StatusCode.INVALID_ARGUMENT, 500, "internal_error"),
        (grpc.StatusCode.UNIMPLEMENTED, 501, "unimplemented"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 504, "deadline_exceeded"),
        (grpc.StatusCode.CANCELLED, 499, "cancelled"),
    ],
)
async def test_words_that_are_not_a_cores_are_not_passed_on(
    client: Client, core: ScriptedCore, code: grpc.StatusCode, status: int, reason: str
) -> None:
    async def chat(_: Any, context: Context) -> Any:
        await context.abort(code, "secret /Users/me/token")

    core.chat = chat
    async with client.chat() as response:
        assert response.status == status
        text = await response.text()
        assert f'"code":"{reason}"' in text
        assert "secret" not in text


async def test_an_rpc_that_the_core_does_not_have_is_501(client: Client) -> None:
    async with client.get("/v1/queue/stats") as response:
        assert response.status == 501
        assert "Method" not in await response.text()


def test_errors_of_the_gateways_own_go_by_the_same_table() -> None:
    refused = from_error(InvalidRequest("No.", param="stop"))
    assert (refused.status, refused.code, refused.param) == (400, "invalid_value", "stop")
    full = from_error(QueueFull(waiting=5, retry_after_s=0.2))
    assert (full.status, full.headers) == (429, {"Retry-After": "1"})
    assert from_error(NoModelLoaded()).headers == {"x-should-retry": "false"}


def test_an_unforeseen_error_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    answer = answer_for(ValueError("secret"))
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"secret" not in answer.body()
    assert caplog.records[0].exc_info is not None
    assert "secret" not in caplog.records[0].getMessage()
