"""Paths to RPCs, by the google.api.http rules of the served contract and of a sample."""

from collections.abc import Callable

import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default

from bodega.errors import InvalidRequest
from bodega.gateway.errors import Refused
from bodega.gateway.path_template import PathTemplate
from bodega.gateway.query import members_of_query
from bodega.gateway.routes import RouteTable, all_bindings
from bodega.gateway.services import all_services

from .sample import ECHO, SAMPLE

SERVED = RouteTable(all_services())
SAMPLES = RouteTable([ECHO])


@pytest.mark.parametrize(
    ("verb", "path", "method"),
    [
        ("POST", "/v1/chat/completions", "CreateChatCompletion"),
        ("POST", "/v1/admin/load-model", "LoadModel"),
        ("POST", "/v1/admin/unload-model", "UnloadModel"),
        ("GET", "/v1/admin/current-model", "GetCurrentModel"),
        ("GET", "/v1/queue/stats", "GetQueueStats"),
        ("GET", "/health", "GetHealth"),
        ("HEAD", "/health", "GetHealth"),
        ("GET", "/v1/models", "ListModels"),
        ("GET", "/v1/models/m", "GetModel"),
    ],
)
def test_the_paths_of_the_api_lead_to_their_rpcs(verb: str, path: str, method: str) -> None:
    assert SERVED.match(verb, path).route.binding.method.name == method


def test_every_annotated_rpc_has_a_route() -> None:
    routed = {b.method.full_name for r in SERVED for b in (r.binding, r.stream) if b is not None}
    assert routed == {method.full_name for s in all_services() for method in s.methods}


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/models/SRSWTI/bodega-raptor-8b-mxfp4", "SRSWTI/bodega-raptor-8b-mxfp4"),
        ("/v1/models/SRSWTI%2Fbodega-raptor-8b-mxfp4", "SRSWTI/bodega-raptor-8b-mxfp4"),
        ("/v1/models/ns/m:4bit:load", "ns/m:4bit:load"),
        ("/v1/models/a%20b%E2%82%AC", "a b\u20ac"),
        ("/v1/models/../../etc/passwd", "../../etc/passwd"),
        ("/v1/models/a%00b", "a\0b"),
        ("/v1/models/a%252Fb", "a%2Fb"),
        ("/v1/models//x", "/x"),
    ],
)
def test_an_id_is_taken_from_the_path_as_it_stands_there(path: str, model: str) -> None:
    assert SERVED.match("GET", path).variables == {"model": model}


@pytest.mark.parametrize("path", ["/v1/models/%ff", "/v1/models/a\udcffb"])
def test_an_id_that_is_not_utf8_is_refused(path: str) -> None:
    with pytest.raises(InvalidRequest, match="model: not UTF-8"):
        SERVED.match("GET", path)


@pytest.mark.parametrize("path", ["", "/", "*", "/health/", "/v1/models/", "/Health", "/v1//x"])
def test_an_unknown_path_is_404(path: str) -> None:
    with pytest.raises(Refused) as caught:
        SERVED.match("GET", path)
    assert (caught.value.answer.status, caught.value.answer.code) == (404, "unknown_path")


@pytest.mark.parametrize(
    ("verb", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("HEAD", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("POST", "/v1/models/a/b", "DELETE, GET, HEAD"),
        ("OPTIONS", "/health", "GET, HEAD"),
        ("BREW", "/health", "GET, HEAD"),
    ],
)
def test_another_verb_is_405_and_names_those_there_are(verb: str, path: str, allowed: str) -> None:
    with pytest.raises(Refused) as caught:
        SERVED.match(verb, path)
    assert caught.value.answer.status == 405
    assert caught.value.answer.headers == {"Allow": allowed}


def test_the_body_picks_the_stream() -> None:
    route = SERVED.match("POST", "/v1/chat/completions").route
    members = {"stream": True, "model": "m"}
    assert route.select(members).method.name == "StreamChatCompletion"
    assert members == {"model": "m"}
    assert route.select({"stream": False}).method.name == "CreateChatCompletion"
    assert route.select([]).method.name == "CreateChatCompletion"


def test_additional_rules_and_verbs_of_their_own_are_routes_too() -> None:
    for verb, path, variables in (
        ("PUT", "/whole/x", {"name": "x"}),
        ("POST", "/wholes/a/1/b/2/3:make", {"name": "a/1/b/2/3"}),
        ("REPORT", "/whole", {}),
    ):
        match = SAMPLES.match(verb, path)
        assert match.route.binding.method.name == "Whole"
        assert match.variables == variables
    with pytest.raises(Refused):
        SAMPLES.match("POST", "/wholes/a/1/2:make")


def test_an_rpc_without_a_rule_is_not_on_http() -> None:
    assert "Hidden" not in {binding.method.name for binding in all_bindings([ECHO])}


@pytest.mark.parametrize("text", ["", "x", "/{", "/}", "/{}", "/{a", "/{a=b{c}}", "/{A}"])
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a path template"):
        PathTemplate(text)


def _variant(change: Callable[[FileDescriptorProto], None], name: str) -> RouteTable:
    """Return the routes of the sample's service with something changed."""
    file = FileDescriptorProto()
    ECHO.file.CopyToProto(file)
    file.name, file.package = f"{name}.proto", f"bodega.test.{name}"
    del file.message_type[:], file.enum_type[:]
    file.dependency.append(ECHO.file.name)
    for method in file.service[0].method:
        method.input_type = method.output_type = f".{SAMPLE.full_name}"
    change(file)
    Default().AddSerializedFile(file.SerializeToString())
    return RouteTable([Default().FindServiceByName(f"bodega.test.{name}.Echo")])


def test_two_rpcs_on_one_path_without_a_selector_are_refused() -> None:
    def change(file: FileDescriptorProto) -> None:
        file.service[0].method.add().CopyFrom(file.service[0].method[0])
        file.service[0].method[-1].name = "Again"

    with pytest.raises(ValueError, match=r"PUT /whole/\{name\}"):
        _variant(change, "twins")


def test_a_rule_that_names_no_field_is_refused() -> None:
    def change(file: FileDescriptorProto) -> None:
        rule = file.service[0].method[1].options.Extensions[annotations_pb2.http]
        rule.body = "nothing"

    with pytest.raises(ValueError, match=r"Part names no field: \['nothing'\]"):
        _variant(change, "nofield")


def test_a_query_is_read_by_the_types_of_the_fields() -> None:
    pairs = [
        ("name", "5"),
        ("int32_value", "-5"),
        ("int64_value", "five"),
        ("ratio", "1e-3"),
        ("flag", "true"),
        ("numbers", "1"),
        ("numbers", "2"),
        ("color", "green"),
        ("beams", "1"),
        ("zebra", "007"),
    ]
    assert members_of_query(SAMPLE, pairs) == {
        "name": "5",
        "int32_value": -5,
        "int64_value": "five",
        "ratio": 0.001,
        "flag": True,
        "numbers": [1, 2],
        "color": "green",
        "beams": 1,
        "zebra": "007",
    }


def test_a_query_names_a_field_that_is_no_list_once() -> None:
    with pytest.raises(InvalidRequest, match="name: given more than once"):
        members_of_query(SAMPLE, [("name", "a"), ("name", "b")])


def test_a_query_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="the query is not UTF-8"):
        members_of_query(SAMPLE, [("name", "\udcff")])
