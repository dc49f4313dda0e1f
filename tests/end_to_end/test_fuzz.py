"""Requests made from the OpenAPI document, good and bad, over HTTP and gRPC alike.

BODEGA_FUZZ_EXAMPLES chooses how many each operation gets, and --hypothesis-seed which; without
them they are the same in every run.
"""

import copy
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import resources
from typing import Any

import grpc
import pytest
import requests
import schemathesis
from bodega_api.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    inference_pb2,
    inference_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
)
from google.protobuf import json_format
from hypothesis import HealthCheck, Phase, settings
from openapi_schema_validator import OAS31Validator
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi import checks

from bodega.errors import InvalidRequest
from bodega.gateway.decode import Decoder
from bodega.rpc.chat_request import chat_request
from bodega.rpc.completion_request import completion_request
from tests.end_to_end.requests_in_flight import answers
from tests.end_to_end.server import Json, Server, serve
from tests.models import TINY_CHAT

EXAMPLES = int(os.environ.get("BODEGA_FUZZ_EXAMPLES", "300"))
DOCUMENT = json.loads((resources.files("bodega_api.v1") / "openapi.json").read_bytes())
MAX_TOKENS = 8
MAX_CHOICES = 2
WAIT_S = 60
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
RUN = settings(
    deadline=None,
    database=None,
    # Shrinking would ask the server many times more, for little.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)

everything = schemathesis.openapi.from_dict(DOCUMENT)
everything.config.generation.update(
    modes=list(GenerationMode),
    max_examples=EXAMPLES,
    deterministic="BODEGA_FUZZ_EXAMPLES" not in os.environ,
)
everything = everything.exclude(operation_id="WatchModel")  # which has no end
harmless = everything.include(
    operation_id=["CreateChatCompletion", "CreateCompletion", "ListModels", "GetModel"]
)

pytestmark = pytest.mark.timeout(300 + EXAMPLES)


class Target:
    """A server that is fuzzed.

    Attributes:
        told: how many answers of each status there were, over HTTP and over gRPC.
    """

    def __init__(self, server: Server, channel: grpc.Channel) -> None:
        self.server = server
        self.told: Counter[object] = Counter()
        inference = inference_pb2_grpc.InferenceStub(channel)
        admin = admin_pb2_grpc.AdminStub(channel)
        models = models_pb2_grpc.ModelsStub(channel)
        chat = inference_pb2.CreateChatCompletionRequest
        completion = inference_pb2.CreateCompletionRequest
        self._calls: dict[str, list[tuple[Callable[..., Any], Callable[[], Any]]]] = {
            "CreateChatCompletion": [
                (inference.CreateChatCompletion, chat),
                (inference.StreamChatCompletion, chat),
            ],
            "CreateCompletion": [
                (inference.CreateCompletion, completion),
                (inference.StreamCompletion, completion),
            ],
            "LoadModel": [(admin.LoadModel, admin_pb2.LoadModelRequest)],
            "UnloadModel": [(admin.UnloadModel, admin_pb2.UnloadModelRequest)],
            "DownloadModel": [
                (models.DownloadModel, models_pb2.DownloadModelRequest),
                (models.StreamDownloadModel, models_pb2.DownloadModelRequest),
            ],
            "CancelDownload": [(models.CancelDownload, models_pb2.CancelDownloadRequest)],
            "ImportModel": [(models.ImportModel, models_pb2.ImportModelRequest)],
        }

    def send(self, case: Case) -> None:
        """Send a request both ways and check its answers."""
        # Not by case.call(), which leaves a stream after some events.
        sent = case.as_transport_kwargs(base_url=self.server.http)
        answer = requests.request(**sent, timeout=WAIT_S)
        self.told[answer.status_code] += 1
        assert answer.status_code < 500 or answer.status_code == 503, answer.text
        if "text/event-stream" in answer.headers["content-type"]:
            # The document tells of such a body what each of its events holds.
            check_events(answer.text, case)
            case.validate_response(answer, checks=[*CHECKS[:3], CHECKS[-1]])
        else:
            case.validate_response(answer, checks=CHECKS)
        self._call(case)

    def _call(self, case: Case) -> None:
        """Send the same to the RPC, where a message can tell it."""
        name = case.operation.definition.raw["operationId"]
        for call, message in self._calls.get(name, []):
            if not isinstance(case.body, dict):
                return
            request = as_message(case.body, message)
            if request is None:
                return
            status = status_of(call, request)
            self.told[status] += 1
            assert status not in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}, request


def status_of(call: Callable[..., Any], request: Any) -> grpc.StatusCode:
    """Return the status that an RPC ends with."""
    try:
        answer = call(request, timeout=WAIT_S)
        if isinstance(answer, Iterator):
            list(answer)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def as_message(body: Json, message: Callable[[], Any]) -> Any:
    """Return the message that a body is to Protobuf, or else to the gateway; None if to neither."""
    request = message()
    try:
        return json_format.ParseDict(as_protobuf(body), request, ignore_unknown_fields=True)
    except (json_format.ParseError, UnicodeError):
        with suppress(InvalidRequest):
            return Decoder(request.DESCRIPTOR).decode(copy.deepcopy(body)).message
    return None


def as_protobuf(body: Json) -> Json:
    """Return a body with roles and contents as Protobuf's JSON has them, where they are well."""
    if not isinstance(body.get("messages"), list):
        return body
    return {**body, "messages": [_message(message) for message in body["messages"]]}


def _message(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    told = dict(message)
    with suppress(KeyError, AttributeError):
        told["role"] = f"ROLE_{told['role'].upper()}"
    if isinstance(told.get("content"), str):
        told["content"] = {"text": told["content"]}
    return told


def check_events(text: str, case: Case) -> None:
    """Check that a stream is one of the events that the document tells of, and ends as it has to.

    A download or a load may fail in its stream.
    """
    *events, last, rest = text.split("\n\n")
    assert rest == ""
    validator = event_validator(case.operation.definition.raw["operationId"])
    if last != "data: [DONE]":
        events.append(last)
        assert json.loads(last.removeprefix("data: "))["status"] == "failed"
    for event in events:
        validator.validate(json.loads(event.removeprefix("data: ")))


@cache
def event_validator(name: str) -> OAS31Validator:
    """Return what checks an event of an operation's stream."""
    (operation,) = (
        operation
        for verbs in DOCUMENT["paths"].values()
        for operation in verbs.values()
        if operation["operationId"] == name
    )
    schema = operation["responses"]["200"]["content"]["text/event-stream"]["schema"]
    return OAS31Validator({**schema, "components": DOCUMENT["components"]})


@contextmanager
def fuzzed(server: Server) -> Iterator[Target]:
    """Fuzz a server, which is well afterwards and has logged no error."""
    with server.channel() as channel:
        target = Target(server, channel)
        yield target
        print(*target.told.most_common(), sep="\n")
    if server.get("/health").status_code == 503:
        loaded = server.post("/v1/admin/load-model", {"model_path": str(TINY_CHAT)})
        assert loaded.status_code == 200, loaded.text
    assert server.get("/health").json()["status"] == "ok"
    assert answers(server)
    assert server.stop() == 0
    assert not [line for line in server.written if '"level": "error"' in line]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Return a server without a model."""
    with serve(home=tmp_path_factory.mktemp("home")) as running, fuzzed(running) as target:
        yield target


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Return a server with a model, which has answered many chats at last."""
    arguments = ("--model", str(TINY_CHAT))
    home = tmp_path_factory.mktemp("home")
    with serve(*arguments, home=home) as running, fuzzed(running) as target:
        yield target
        assert target.told[requests.codes.ok] > EXAMPLES // 4
        assert target.told[grpc.StatusCode.OK] > EXAMPLES // 4


@everything.parametrize()
@RUN
def test_any_request_is_answered_as_the_document_says(case: Case, empty: Target) -> None:
    empty.send(case)


@harmless.parametrize()
@RUN
def test_a_loaded_model_answers_as_the_document_says(case: Case, loaded: Target) -> None:
    if isinstance(case.body, dict):
        case.body = brief(case.body)
        if case.meta.generation.mode is GenerationMode.POSITIVE:
            name = case.operation.definition.raw["operationId"]
            case.body = fitting(complete(case.body, name), name)
    loaded.send(case)


def brief(body: Json) -> Json:
    """Return a chat that the loaded model has to answer, and briefly."""
    told = dict(body)
    if isinstance(told.get("model"), str):
        told["model"] = "current"
    for name in ("max_tokens", "max_completion_tokens"):
        if isinstance(told.get(name), int | float) and told[name] > MAX_TOKENS:
            told[name] = MAX_TOKENS
    if told.get("max_tokens") is None and told.get("max_completion_tokens") is None:
        told["max_tokens"] = MAX_TOKENS
    if isinstance(told.get("n"), int | float) and told["n"] > MAX_CHOICES:
        told["n"] = MAX_CHOICES
    return told


def complete(body: Json, name: str) -> Json:
    """Return a request with what a schema cannot ask for: something said, and options that fit."""
    if name == "CreateCompletion":
        told = {**body, "prompt": body.get("prompt") or "Hi"}
    else:
        messages = body.get("messages") or [{"role": "user"}]
        told = {**body, "messages": [{"content": "Hi", **message} for message in messages]}
    if not told.get("stream"):
        told.pop("stream_options", None)
    return told


def fitting(body: Json, name: str) -> Json:
    """Return a request without the members that the core would refuse, whatever the model."""
    told = dict(body)
    while True:
        try:
            if name == "CreateCompletion":
                asked = Decoder(inference_pb2.CreateCompletionRequest.DESCRIPTOR).decode({**told})
                completion_request(asked.message, request_id="")  # type: ignore[arg-type]
            else:
                asked = Decoder(inference_pb2.CreateChatCompletionRequest.DESCRIPTOR).decode(
                    {**told}
                )
                chat_request(asked.message, request_id="")  # type: ignore[arg-type]
        except InvalidRequest as error:
            member = re.split(r"[.\[]", error.param or "")[0]
            if member in ("model", "messages", "prompt", "body") or told.pop(member, None) is None:
                return told
        else:
            return told
