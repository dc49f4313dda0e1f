"""Rules and shapes that no served RPC uses yet, over HTTP: a core that echoes the sample."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import web
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from openapi_spec_validator import validate

from bodega.gateway.app import App
from bodega.gateway.connection import HttpServer
from bodega.gateway.deadlines import Deadlines
from bodega.gateway.guards import Guards
from bodega.gateway.openapi import openapi_document
from bodega.gateway.transcode import Transcoder

from .sample import ECHO, FILES, SAMPLE

Sample = GetMessageClass(SAMPLE)


def _handler(method: MethodDescriptor) -> grpc.RpcMethodHandler:
    async def echo(request: Any, _: Any) -> Any:
        return request

    async def stream(request: Any, _: Any) -> AsyncIterator[Any]:
        yield request

    make, behavior = (
        (grpc.unary_stream_rpc_method_handler, stream)
        if method.server_streaming
        else (grpc.unary_unary_rpc_method_handler, echo)
    )
    return make(behavior, Sample.FromString, Sample.SerializeToString)


def _stub(channel: grpc.aio.Channel, method: MethodDescriptor) -> Any:
    make = channel.unary_stream if method.server_streaming else channel.unary_unary
    path = f"/{ECHO.full_name}/{method.name}"
    return make(path, Sample.SerializeToString, Sample.FromString)


@pytest.fixture
async def session(socket_folder: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a gateway that serves the sample."""
    target = f"unix:{socket_folder / 'echo.sock'}"
    server = grpc.aio.server()
    handlers = {method.name: _handler(method) for method in ECHO.methods}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(ECHO.full_name, handlers),)
    )
    server.add_insecure_port(target)
    await server.start()
    async with grpc.aio.insecure_channel(target) as channel:
        stubs = {method.full_name: _stub(channel, method) for method in ECHO.methods}
        app = App(Transcoder([ECHO], stubs), Guards.allowing((), ()), Deadlines())
        runner = web.ServerRunner(HttpServer(app.handle, Deadlines()))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            yield client
        await runner.cleanup()
    await server.stop(None)


async def test_a_body_may_stand_for_the_whole_and_the_path_wins(
    session: aiohttp.ClientSession,
) -> None:
    async with session.put("/whole/path%2Fname", json={"name": "x", "ratio": 2}) as response:
        value = await response.json()
        assert response.status == 200
    assert (value["name"], value["ratio"], value["flag"]) == ("path/name", 2.0, None)


async def test_a_body_may_stand_for_one_field_and_so_may_the_answer(
    session: aiohttp.ClientSession,
) -> None:
    async with session.patch("/part?name=n&zebra=1", json={"text": "t"}) as response:
        assert await response.json() == {"wanted": False, "text": "t"}
        assert response.headers["Bodega-Ignored-Fields"] == "zebra"
    async with session.patch("/part", json=[]) as response:
        error = (await response.json())["error"]
    assert (error["param"], response.status) == ("child", 400)


async def test_a_query_fills_fields_and_a_path_variable_has_its_fields_type(
    session: aiohttp.ClientSession,
) -> None:
    query = "flag=true&numbers=1&numbers=2&colors=navy-blue&ratio=0.5&beams=1"
    async with session.get(f"/query/7?{query}") as response:
        value = await response.json()
    assert (value["int32_value"], value["numbers"]) == (7, [1, 2])
    assert (value["colors"], value["ratio"], value["flag"]) == (["navy-blue"], 0.5, True)
    for path, param in (
        ("/query/x", "int32_value"),
        ("/query/1?flag=yes", "flag"),
        ("/query/1?beams=2", "beams"),
        ("/query/1?child=x", "child"),
        ("/query/1?color=mauve", "color"),
    ):
        async with session.get(path) as response:
            assert response.status == 400
            assert (await response.json())["error"]["param"] == param


async def test_a_word_in_the_answer_may_set_the_status(session: aiohttp.ClientSession) -> None:
    async with session.get("/query/1?color=navy-blue") as response:
        assert response.status == 418


async def test_a_stream_without_a_twin_or_terminator_just_ends(
    session: aiohttp.ClientSession,
) -> None:
    async with session.get("/watch?name=n") as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        event = await response.text()
    assert event.count("data: ") == 1
    assert json.loads(event.removeprefix("data: "))["name"] == "n"


def test_the_openapi_document_of_all_shapes_is_valid_and_tells_them() -> None:
    document = openapi_document(FILES, package="bodega.test.v1")
    validate(document)
    schemas = document["components"]["schemas"]
    assert schemas["Color"]["enum"] == ["green", "navy-blue"]
    assert "The colour of leaves." in schemas["Color"]["description"]
    sample = schemas["Sample"]["properties"]
    assert sample["ratio"]["exclusiveMinimum"] == 0
    assert sample["ratio"]["maximum"] == 1.5
    assert sample["schema"]["type"] == ["object", "null"]
    assert schemas["Rows"]["type"] == "array"
    assert sample["weights"]["additionalProperties"] == {"type": "number", "format": "double"}
    assert re.search(sample["weights"]["propertyNames"]["pattern"], "-12")
    assert sample["people"]["additionalProperties"] == {"$ref": "#/components/schemas/Child"}
    assert schemas["Ratings"]["additionalProperties"]["type"] == "number"
    kinds = [arm.get("type") for arm in schemas["Value"]["oneOf"]]
    assert kinds == ["string", "number", "boolean", None, None]
    assert schemas["Sample"]["required"] == ["must"]
    assert "`beams` (taken: null, 1" in schemas["Sample"]["description"]
    part = document["paths"]["/part"]["patch"]
    assert part["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0] == {
        "$ref": "#/components/schemas/Child"
    }
    query = document["paths"]["/query/{int32_value}"]["get"]["parameters"]
    assert query[1] == {
        "name": "int32_value",
        "description": "",
        "schema": {"type": "integer", "format": "int32"},
        "in": "path",
        "required": True,
    }
    names = {parameter["name"] for parameter in part["parameters"]}
    assert {"name", "numbers", "schema"} <= names
    assert "child" not in names
    assert "418" in document["paths"]["/whole/{name}"]["put"]["responses"]
    ids = [op["operationId"] for verbs in document["paths"].values() for op in verbs.values()]
    assert len(ids) == len(set(ids))
