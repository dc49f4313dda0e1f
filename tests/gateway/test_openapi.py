"""The OpenAPI document that is served."""

import copy
import json
from importlib import resources
from typing import Any

import pytest
from bodega_api.v1 import inference_pb2
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from bodega.gateway.decode import Decoder
from bodega.gateway.encode import Encoder
from bodega.gateway.routes import all_bindings
from bodega.gateway.services import all_services

from .conftest import chat_answer, chat_request, chunk


@pytest.fixture(scope="module")
def document() -> Any:
    """The committed document."""
    return json.loads((resources.files("bodega_api.v1") / "openapi.json").read_bytes())


def schema_check(document: Any, name: str) -> OAS31Validator:
    """Return what checks values against a schema of the document."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return OAS31Validator(schema)


def test_it_is_valid(document: Any) -> None:
    validate(document)


def test_every_annotated_rpc_is_in_it(document: Any) -> None:
    for binding in all_bindings(all_services()):
        operation = document["paths"][binding.template.openapi_text][binding.verb.lower()]
        content = operation["responses"]["200"]["content"]
        media = "text/event-stream" if binding.method.server_streaming else "application/json"
        schema = content[media]["schema"]
        if "anyOf" in schema:  # a stream whose events tell of failures too
            schema = schema["anyOf"][0]
        schema = schema["$ref"].rpartition("/")[2]
        assert schema == binding.method.output_type.name


def test_everything_in_it_is_described(document: Any) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        for member, described in schema.get("properties", {}).items():
            assert described.get("description") or name == "Error", f"{name}.{member}"


def test_answers_match_their_schemas(document: Any) -> None:
    plain = inference_pb2.CreateChatCompletionRequest()
    for message in (chat_answer(), chunk("a")):
        value = json.loads(Encoder(message.DESCRIPTOR).for_request(plain)(message))
        schema_check(document, type(message).__name__).validate(value)


def test_requests_match_their_schema_and_bad_ones_do_not(document: Any) -> None:
    check = schema_check(document, "CreateChatCompletionRequest")
    good = chat_request(
        stop=["a"], temperature=None, chat_template_kwargs={"a": 1}, max_tokens=5, seed=-1
    )
    check.validate(good)
    for bad in (
        {"model": "m"},
        chat_request(temperature=3),
        chat_request(repetition_penalty=0),
        chat_request(max_tokens=0),
        chat_request(stop=5),
        {"model": "m", "messages": [{"role": "king", "content": "x"}]},
    ):
        assert not check.is_valid(bad), bad


def test_an_unhealthy_answer_has_its_status(document: Any) -> None:
    responses = document["paths"]["/health"]["get"]["responses"]
    assert responses["503"]["content"] == responses["200"]["content"]


def test_the_stream_is_picked_by_a_boolean(document: Any) -> None:
    body = document["paths"]["/v1/chat/completions"]["post"]["requestBody"]
    _, selector = body["content"]["application/json"]["schema"]["allOf"]
    assert selector["properties"]["stream"]["type"] == ["boolean", "null"]


def test_examples_are_good_requests(document: Any) -> None:
    shown = []
    for binding in all_bindings(all_services()):
        operation = document["paths"][binding.template.openapi_text][binding.verb.lower()]
        body = operation.get("requestBody", {"content": {"application/json": {}}})
        if example := body["content"]["application/json"].get("example"):
            Decoder(binding.method.input_type).decode(copy.deepcopy(example))
            schema_check(document, binding.method.input_type.name).validate(example)
            shown.append(operation["operationId"])
    assert {"CreateChatCompletion", "LoadModel"} <= {*shown}
