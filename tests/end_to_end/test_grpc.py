"""What a gRPC client gets from the core, built from reflection alone."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from tests.end_to_end.grpc_client import Json, ReflectionClient, chat_json
from tests.end_to_end.requests_in_flight import idle
from tests.end_to_end.server import Server
from tests.end_to_end.waiting import wait_until
from tests.models import ENDLESS, TRANSCRIPTS

BY_NAME = {one.name: one for one in TRANSCRIPTS}
HELLO = BY_NAME["hello"]


@pytest.fixture
def client(server: Server) -> Iterator[ReflectionClient]:
    with server.channel() as channel:
        yield ReflectionClient(channel)


def test_reflection_lists_the_services(client: ReflectionClient) -> None:
    services = {"bodega.v1.Inference", "bodega.v1.Admin", "bodega.v1.Models"}
    assert services | {"grpc.health.v1.Health"} <= set(client.services())


@pytest.mark.parametrize("version", ["grpc-v1", "grpc-v1alpha"])
def test_a_command_line_client_finds_its_way_by_either_reflection(
    server: Server, version: str
) -> None:
    buf = Path(sys.executable).parent / "buf"
    command = ["curl", "--protocol", "grpc", "--http2-prior-knowledge", "--list-methods"]
    listed = subprocess.run(
        [buf, *command, "--reflect-protocol", version, f"http://{server.grpc}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "bodega.v1.Inference/StreamChatCompletion" in listed.stdout.splitlines()


@pytest.mark.parametrize("name", ["hello", "story", "emoji", "cat_3", "pirate", "developer"])
def test_a_chat_is_answered_as_over_http(
    server: Server, client: ReflectionClient, name: str
) -> None:
    one = BY_NAME[name]
    whole = client.unary("Inference.CreateChatCompletion", chat_json(one.messages))
    chunks = list(
        client.stream(
            "Inference.StreamChatCompletion",
            chat_json(one.messages, stream_options={"include_usage": True}),
        )
    )
    http = server.chat(messages=list(one.messages)).json()
    assert whole["choices"][0]["message"]["content"] == one.content
    assert http["choices"][0]["message"]["content"] == one.content
    *deltas, last = chunks
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in deltas)
    assert text == one.content
    assert last["choices"] == []
    for count in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert last["usage"][count] == whole["usage"][count] == http["usage"][count]
    assert deltas[0]["choices"][0]["delta"]["role"] == "ROLE_ASSISTANT"
    assert deltas[-1]["choices"][0]["finish_reason"] == "FINISH_REASON_STOP"


def test_a_deadline_ends_a_chat(server: Server, client: ReflectionClient) -> None:
    before = server.stats()["completed_requests"]
    with pytest.raises(grpc.RpcError) as raised:
        client.unary("Inference.CreateChatCompletion", chat_json(ENDLESS), timeout=0.5)
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until(lambda: idle(server))
    assert server.stats()["completed_requests"] == before


def test_metadata_tells_model_and_request_id(server: Server) -> None:
    from bodega_api.v1 import inference_pb2, inference_pb2_grpc

    request = inference_pb2.CreateChatCompletionRequest(model="current", max_tokens=1)
    request.messages.add(role=inference_pb2.ROLE_USER).content.text = "Hello!"
    with server.channel() as channel:
        stub = inference_pb2_grpc.InferenceStub(channel)
        _, call = stub.CreateChatCompletion.with_call(
            request, metadata=(("x-request-id", "mine-7"),), timeout=60
        )
    metadata = dict(call.initial_metadata())
    assert metadata["bodega-model"] == "tiny-chat"
    assert metadata["x-request-id"] == "mine-7"


BAD: dict[str, tuple[Json, grpc.StatusCode, str, str]] = {
    "no messages": (
        {"messages": []},
        grpc.StatusCode.INVALID_ARGUMENT,
        "MISSING_PARAMETER",
        "messages",
    ),
    "no model": ({"model": ""}, grpc.StatusCode.INVALID_ARGUMENT, "MISSING_PARAMETER", "model"),
    "another model": ({"model": "x"}, grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", "model"),
    "no role": (
        {"messages": [{"content": {"text": "x"}}]},
        grpc.StatusCode.INVALID_ARGUMENT,
        "MISSING_PARAMETER",
        "messages[0].role",
    ),
    "an unknown role": (
        {"messages": [{"role": 77, "content": {"text": "x"}}]},
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_VALUE",
        "messages[0].role",
    ),
    "no content": (
        {"messages": [{"role": "ROLE_USER"}]},
        grpc.StatusCode.INVALID_ARGUMENT,
        "MISSING_PARAMETER",
        "messages[0].content",
    ),
    "temperature NaN": (
        {"temperature": "NaN"},
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_VALUE",
        "temperature",
    ),
    "top_p 1.5": (
        {"top_p": 1.5},
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_VALUE",
        "top_p",
    ),
    "min_p infinite": (
        {"min_p": "Infinity"},
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_VALUE",
        "min_p",
    ),
    "max_tokens 0": (
        {"max_tokens": 0},
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_VALUE",
        "max_tokens",
    ),
    "max_tokens -1": (
        {"max_tokens": -1},
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_VALUE",
        "max_tokens",
    ),
    "repetition_penalty 0": (
        {"repetition_penalty": 0},
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_VALUE",
        "repetition_penalty",
    ),
    "an empty stop": (
        {"stop": {"text": ""}},
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_VALUE",
        "stop",
    ),
    "five stops": (
        {"stop": {"texts": {"texts": list("abcde")}}},
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_VALUE",
        "stop",
    ),
    "template arguments that are no object": (
        {"chat_template_kwargs": "[1]"},
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_VALUE",
        "chat_template_kwargs",
    ),
    "template arguments that are deep": (
        {"chat_template_kwargs": "[" * 200_000},
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_VALUE",
        "chat_template_kwargs",
    ),
    "an argument that is ours": (
        {"chat_template_kwargs": '{"messages": []}'},
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_VALUE",
        "chat_template_kwargs.messages",
    ),
    "stream options without a stream": (
        {"stream_options": {"include_usage": True}},
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_VALUE",
        "stream_options",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_a_typed_error(client: ReflectionClient, case: str) -> None:
    fields, code, reason, param = BAD[case]
    with pytest.raises(grpc.RpcError) as raised:
        client.unary("Inference.CreateChatCompletion", {**chat_json(HELLO.messages), **fields})
    assert raised.value.code() == code
    info, violation = error_details(raised.value)
    assert info.domain == "bodega"
    assert info.reason == reason
    assert violation is not None
    assert violation.field == param
    assert violation.description == raised.value.details()


def error_details(
    error: grpc.RpcError,
) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest.FieldViolation | None]:
    """Return ErrorInfo and the first field violation of an error."""
    status = rpc_status.from_call(error)
    assert status is not None
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(bad)
    return info, bad.field_violations[0] if bad.field_violations else None


def test_an_unknown_method_is_unimplemented(server: Server) -> None:
    with server.channel() as channel:
        call = channel.unary_unary("/bodega.v1.Inference/Nothing")
        with pytest.raises(grpc.RpcError) as raised:
            call(b"", timeout=60)
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_the_health_service_knows_each_service(server: Server) -> None:
    with server.channel() as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "bodega.v1.Inference", "bodega.v1.Admin", "bodega.v1.Models"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=60)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as raised:
            health.Check(health_pb2.HealthCheckRequest(service="other"), timeout=60)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


def test_a_message_over_the_limit_is_refused(server: Server) -> None:
    with server.channel() as channel:
        call = channel.unary_unary("/bodega.v1.Inference/CreateChatCompletion")
        with pytest.raises(grpc.RpcError) as raised:
            call(bytes(65 * 1024 * 1024), timeout=60)
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert server.get("/health").status_code == 200


def test_health_can_be_watched(server: Server) -> None:
    with server.channel() as channel:
        watching = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service="bodega.v1.Inference"), timeout=60
        )
        assert next(watching).status == health_pb2.HealthCheckResponse.SERVING
        watching.cancel()
