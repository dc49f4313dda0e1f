"""RPCs over HTTP: a real gateway, and a real gRPC server that does what each test scripts."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from bodega_api.v1 import admin_pb2, inference_pb2
from google.rpc import code_pb2
from yarl import URL

from bodega.config import GatewayConfig
from bodega.gateway.server import serve

from .conftest import (
    Client,
    Context,
    ScriptedCore,
    Start,
    chat_answer,
    chat_request,
    chunk,
    fail,
)


async def events_of(response: aiohttp.ClientResponse) -> list[str]:
    """Return the blocks of an event stream."""
    text = (await response.read()).decode()
    assert text.endswith("\n\n")
    return text.removesuffix("\n\n").split("\n\n")


async def test_a_chat_is_answered_as_openai_answers_it(client: Client, core: ScriptedCore) -> None:
    async with client.chat(temperature=0.5, stop=["a", "b"]) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["Server"] == "Bodega"
        assert await response.json() == {
            "id": "chatcmpl_1",
            "object": "chat.completion",
            "created": 1_750_000_000,
            "model": "current",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Hello"},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
        }
    (request,) = core.requests
    assert request.messages[0].role == inference_pb2.ROLE_USER
    assert request.messages[0].content.text == "Hi"
    assert list(request.stop.texts.texts) == ["a", "b"]


@pytest.mark.parametrize("stream", [False, None])
async def test_stream_false_or_null_is_answered_whole(client: Client, stream: bool | None) -> None:
    async with client.chat(stream=stream) as response:
        assert (await response.json())["object"] == "chat.completion"


@pytest.mark.parametrize("stream", ["true", 1, 0.0, [], {}])
async def test_stream_of_another_type_is_refused(client: Client, stream: Any) -> None:
    async with client.chat(stream=stream) as response:
        error = (await response.json())["error"]
    assert (response.status, error["param"]) == (400, "stream")


async def test_a_stream_is_events_and_ends_with_done(client: Client, core: ScriptedCore) -> None:
    async with client.chat(stream=True) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Accel-Buffering"] == "no"
        events = await events_of(response)
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
    assert [piece["choices"][0]["delta"] for piece in chunks] == [
        {"content": "Good"},
        {"content": " day"},
    ]
    assert all(piece["choices"][0]["finish_reason"] is None for piece in chunks)
    assert all("usage" not in piece for piece in chunks)
    assert events[-1] == "data: [DONE]"


async def test_usage_is_null_in_every_chunk_only_if_it_was_asked_for(client: Client) -> None:
    async with client.chat(stream=True, stream_options={"include_usage": True}) as response:
        events = await events_of(response)
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
    assert [piece["usage"] for piece in chunks] == [None, None]


async def test_stream_options_of_an_answer_that_is_no_stream_reach_the_core(
    client: Client, core: ScriptedCore
) -> None:
    async with client.chat(stream_options={"include_usage": True}) as response:
        assert response.status == 200
    assert core.requests[0].HasField("stream_options")


async def test_a_failure_before_the_first_message_keeps_its_status(
    client: Client, core: ScriptedCore
) -> None:
    async def stream(_: Any, context: Context) -> AsyncIterator[Any]:
        await fail(context, code_pb2.RESOURCE_EXHAUSTED, "QUEUE_FULL", "Full.", retry_after_ms=1200)
        yield

    core.stream = stream
    async with client.chat(stream=True) as response:
        assert response.status == 429
        assert response.headers["Retry-After"] == "2"
        assert (await response.json())["error"]["code"] == "queue_full"


async def test_a_failure_after_the_first_message_is_an_event_and_there_is_no_done(
    client: Client, core: ScriptedCore
) -> None:
    async def stream(_: Any, context: Context) -> AsyncIterator[Any]:
        yield chunk("Good")
        await fail(context, code_pb2.UNAVAILABLE, "MODEL_UNLOADED", "Gone.")

    core.stream = stream
    async with client.chat(stream=True) as response:
        assert response.status == 200
        events = await events_of(response)
    assert len(events) == 2
    assert json.loads(events[1].removeprefix("data: ")) == {
        "error": {
            "message": "Gone.",
            "type": "server_error",
            "param": None,
            "code": "model_unloaded",
        }
    }


async def test_a_core_that_raises_is_told_in_fixed_words(
    client: Client, core: ScriptedCore
) -> None:
    async def stream(_: Any, __: Context) -> AsyncIterator[Any]:
        yield chunk("Good")
        raise ValueError("secret /Users/me/token")

    core.stream = stream
    async with client.chat(stream=True) as response:
        text = await response.text()
    assert '"code":"internal_error"' in text
    assert "secret" not in text


async def test_an_empty_stream_is_only_done(client: Client, core: ScriptedCore) -> None:
    async def stream(_: Any, __: Context) -> AsyncIterator[Any]:
        return
        yield

    core.stream = stream
    async with client.chat(stream=True) as response:
        assert await events_of(response) == ["data: [DONE]"]


async def test_a_slow_first_message_is_waited_for_with_comments(
    start: Start, core: ScriptedCore
) -> None:
    client, go = await start(timing={"keep_alive_s": 0.01}), asyncio.Event()

    async def stream(_: Any, __: Context) -> AsyncIterator[Any]:
        await go.wait()
        yield chunk("Hello")

    core.stream = stream
    async with client.chat(stream=True) as response:
        assert response.status == 200
        assert await response.content.readuntil(b"\n\n") == b": keep-alive\n\n"
        assert await response.content.readuntil(b"\n\n") == b": keep-alive\n\n"
        go.set()
        events = [e for e in await events_of(response) if e != ": keep-alive"]
    assert len(events) == 2
    assert events[-1] == "data: [DONE]"


async def test_a_pause_between_messages_is_bridged_with_comments(
    start: Start, core: ScriptedCore
) -> None:
    client, go = await start(timing={"keep_alive_s": 0.01}), asyncio.Event()

    async def stream(_: Any, __: Context) -> AsyncIterator[Any]:
        yield chunk("Good")
        await go.wait()
        yield chunk(" day")

    core.stream = stream
    async with client.chat(stream=True) as response:
        while await response.content.readuntil(b"\n\n") != b": keep-alive\n\n":
            pass
        go.set()
        assert (await events_of(response))[-1] == "data: [DONE]"


async def test_a_failure_after_a_comment_is_an_event(start: Start, core: ScriptedCore) -> None:
    client, go = await start(timing={"keep_alive_s": 0.01}), asyncio.Event()

    async def stream(_: Any, context: Context) -> AsyncIterator[Any]:
        await go.wait()
        await fail(context, code_pb2.UNAVAILABLE, "QUEUE_TIMEOUT", "Late.", retry_after_ms=5000)
        yield

    core.stream = stream
    async with client.chat(stream=True) as response:
        assert response.status == 200
        await response.content.readuntil(b"\n\n")
        go.set()
        events = await events_of(response)
    assert '"code":"queue_timeout"' in events[-1]


async def test_a_client_that_leaves_before_the_first_message_cancels_the_call(
    client: Client, core: ScriptedCore
) -> None:
    async def stream(_: Any, __: Context) -> AsyncIterator[Any]:
        await core.hang()
        yield

    core.stream = stream
    await leave(client, core, stream=True)


async def test_a_client_that_leaves_a_running_stream_cancels_the_call(
    client: Client, core: ScriptedCore
) -> None:
    async def stream(_: Any, __: Context) -> AsyncIterator[Any]:
        yield chunk("Good")
        await core.hang()

    core.stream = stream
    response = await client.chat(stream=True)
    await response.content.readuntil(b"\n\n")
    response.close()
    await asyncio.wait_for(core.cancelled.wait(), 60)


async def test_a_client_that_leaves_a_unary_call_cancels_it(
    client: Client, core: ScriptedCore
) -> None:
    core.chat = core.hang
    await leave(client, core)


async def leave(client: Client, core: ScriptedCore, **members: Any) -> None:
    """Ask, leave while the core works on it, and wait until the core has noticed."""
    asking = asyncio.ensure_future(client.chat(**members).__aenter__())
    await asyncio.wait_for(core.entered.wait(), 60)
    asking.cancel()
    await asyncio.wait_for(core.cancelled.wait(), 60)


@pytest.mark.parametrize("stream", [False, True])
async def test_metadata_of_the_core_becomes_headers(
    client: Client, core: ScriptedCore, stream: bool
) -> None:
    async def send(context: Context) -> None:
        await context.send_initial_metadata((("bodega-model", "org/m"), ("other", "x")))

    async def chat(_: Any, context: Context) -> inference_pb2.ChatCompletion:
        await send(context)
        return inference_pb2.ChatCompletion()

    async def chunks(_: Any, context: Context) -> AsyncIterator[Any]:
        await send(context)
        yield chunk("a")

    core.chat, core.stream = chat, chunks
    async with client.chat(stream=stream) as response:
        assert response.headers["Bodega-Model"] == "org/m"
        assert "Other" not in response.headers


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_id_goes_in_and_comes_out(
    client: Client, core: ScriptedCore, stream: bool
) -> None:
    headers = {"X-Request-Id": "mine-1"}
    body = chat_request(stream=stream)
    async with client.post("/v1/chat/completions", json=body, headers=headers) as response:
        assert response.headers["X-Request-Id"] == "mine-1"
    assert core.request_ids == ["mine-1"]


async def test_a_request_id_that_is_no_plain_text_is_replaced(
    client: Client, core: ScriptedCore
) -> None:
    async with client.get("/v1/models", headers={"X-Request-Id": "a b"}) as response:
        assert response.headers["X-Request-Id"].startswith("req_")
    async with client.get("/nowhere") as response:
        assert response.headers["X-Request-Id"].startswith("req_")


@pytest.mark.parametrize("stream", [False, True])
async def test_unknown_members_are_taken_and_named(client: Client, stream: bool) -> None:
    body = chat_request(stream=stream, zebra=1, safety={"a": [None]})
    body["messages"][0]["x y\r\n"] = None
    async with client.post("/v1/chat/completions?api-version=1", json=body) as response:
        assert response.status == 200
        named = response.headers["Bodega-Ignored-Fields"]
    assert named == "messages[0].x%20y%0D%0A, zebra, safety, api-version"


async def test_many_unknown_members_are_not_all_named(client: Client) -> None:
    async with client.chat(**{f"unknown{i}": i for i in range(1000)}) as response:
        assert response.status == 200
        assert len(response.headers["Bodega-Ignored-Fields"]) < 1000


@pytest.mark.parametrize("path", ["/v1/models/SRSWTI/bodega-8b", "/v1/models/SRSWTI%2Fbodega-8b"])
async def test_an_id_with_slashes_is_one_variable(
    client: Client, core: ScriptedCore, path: str
) -> None:
    async with client.get(URL(path, encoded=True)) as response:
        assert (await response.json())["id"] == "SRSWTI/bodega-8b"


async def test_a_query_is_read_by_the_same_rules(client: Client) -> None:
    async with client.get("/v1/models?verify_with_hub=false&x=1") as response:
        assert response.status == 200
        assert response.headers["Bodega-Ignored-Fields"] == "x"
    async with client.get("/v1/models?verify_with_hub=perhaps") as response:
        error = (await response.json())["error"]
    assert (response.status, error["code"], error["param"]) == (
        400,
        "invalid_value",
        "verify_with_hub",
    )


@pytest.mark.parametrize("options", [{}, {"json": {}}, {"json": {"stray": 1}}, {"data": b""}])
async def test_unload_needs_no_body(client: Client, options: dict[str, Any]) -> None:
    async with client.post("/v1/admin/unload-model", **options) as response:
        assert response.status == 200
        assert await response.json() == {"status": "unloaded", "model_id": None}


async def test_a_missing_body_is_told(client: Client) -> None:
    async with client.post("/v1/chat/completions") as response:
        assert response.status == 400
        assert (await response.json())["error"]["message"] == "body: missing; send a JSON object."


async def test_health_is_200_when_well_and_503_when_not(client: Client, core: ScriptedCore) -> None:
    async with client.get("/health") as response:
        assert response.status == 200
        assert await response.json() == {
            "status": "ok",
            "model_id": "m",
            "model_status": "initialized",
        }

    async def health(_: Any, __: Context) -> admin_pb2.GetHealthResponse:
        return admin_pb2.GetHealthResponse(
            status=admin_pb2.HEALTH_STATUS_UNHEALTHY, model_status=admin_pb2.MODEL_STATUS_LOADING
        )

    core.health = health
    async with client.get("/health") as response:
        assert response.status == 503
        assert await response.json() == {
            "status": "unhealthy",
            "model_id": None,
            "model_status": "loading",
        }


@pytest.mark.parametrize("target", ["unix:/nonexistent/core.sock", "127.0.0.1:1"])
async def test_without_a_core_health_is_unhealthy_and_the_rest_says_try_again(
    start: Start, target: str
) -> None:
    client = await start(target=target)
    async with client.get("/health") as response:
        assert response.status == 503
        assert await response.json() == {
            "status": "unhealthy",
            "model_id": None,
            "model_status": "uninitialized",
        }
    for stream in (False, True):
        async with client.chat(stream=stream) as response:
            assert response.status == 503
            assert response.headers["Retry-After"] == "1"
            error = (await response.json())["error"]
        assert error["code"] == "core_unavailable"
        assert "connect" not in error["message"]


async def test_head_is_get_without_its_body(client: Client) -> None:
    async with client.session.head("/v1/models") as response:
        assert response.status == 200
        assert int(response.headers["Content-Length"]) > 0
        assert await response.read() == b""


async def test_the_openapi_document_is_served(client: Client) -> None:
    async with client.get("/openapi.json") as response:
        assert response.status == 200
        assert (await response.json())["openapi"].startswith("3.1")
    async with client.post("/openapi.json") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


async def test_another_verb_and_another_path_are_told_as_json(client: Client) -> None:
    async with client.get("/v1/chat/completions") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert (await response.json())["error"]["code"] == "method_not_allowed"
    for path in ("/", "/v1", "/v1/models/", "/health/"):
        async with client.get(path) as response:
            assert response.status == 404
            assert (await response.json())["error"]["code"] == "unknown_path"


async def post(session: aiohttp.ClientSession, url: str, body: Any) -> tuple[int, str]:
    """Return the status and the text of the answer to a POST."""
    async with session.post(url, json=body) as response:
        return response.status, await response.text()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_end_of_the_gateway_ends_running_requests_with_an_error(
    core: ScriptedCore, stream: bool
) -> None:
    async def chunks(_: Any, __: Context) -> AsyncIterator[Any]:
        yield chunk("Good")
        await core.hang()

    core.chat, core.stream = core.hang, chunks
    config = GatewayConfig(host="127.0.0.1", port=0, core=core.target)
    async with aiohttp.ClientSession() as session:
        async with serve(config, drain_s=0.05) as running:
            url = f"http://127.0.0.1:{running.port}/v1/chat/completions"
            asking = asyncio.ensure_future(
                session.post(url, json=chat_request(stream=stream)).__aenter__()
            )
            await (asking if stream else core.entered.wait())
        response = await asking
        text = await response.text()
    assert response.status == (200 if stream else 503)
    assert '"code":"shutting_down"' in text
    assert "[DONE]" not in text


async def test_requests_that_end_in_time_end_well(core: ScriptedCore) -> None:
    go = asyncio.Event()

    async def chat(_: Any, __: Context) -> inference_pb2.ChatCompletion:
        core.entered.set()
        await go.wait()
        return chat_answer()

    core.chat = chat
    config = GatewayConfig(host="127.0.0.1", port=0, core=core.target)
    async with aiohttp.ClientSession() as session:
        async with serve(config, drain_s=60) as running:
            url = f"http://127.0.0.1:{running.port}/v1/chat/completions"
            asking = asyncio.ensure_future(post(session, url, chat_request()))
            await core.entered.wait()
            asyncio.get_running_loop().call_soon(go.set)
        status, _ = await asking
    assert status == 200
