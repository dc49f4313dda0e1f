"""The client against the real server: what it returns, and what it raises."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from bodega_api.v1 import admin_pb2, inference_pb2, models_pb2

from bodega.client import UNREACHABLE, CallError, Client
from bodega.client.chat_request import chat_request, stream_request
from tests.client.conftest import MODEL, TOKEN
from tests.end_to_end.server import Server
from tests.hub.played_hub import PlayedHub
from tests.models import ENDLESS, TINY_CHAT, TRANSCRIPTS

PLAIN = next(one for one in TRANSCRIPTS if one.name == "france")
THINK = next(one for one in TRANSCRIPTS if one.name == "think")
RESULT = next(one for one in TRANSCRIPTS if one.name == "tool_result")
SEVERAL = next(one for one in TRANSCRIPTS if len(one.messages) > 2 and not one.tools)


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """Return a client that shows the server's token."""
    with Client(server.grpc, token=TOKEN) as calling:
        yield calling


def test_a_text_or_messages_are_answered(client: Client) -> None:
    question = str(PLAIN.messages[0]["content"])
    assert client.chat(question, temperature=0).choices[0].message.content == PLAIN.answer
    answer = client.chat(SEVERAL.messages, temperature=0, stop=["nowhere"], timeout_s=60)
    assert answer.choices[0].message.content == SEVERAL.answer


def test_a_stream_is_text_and_tells_in_the_end_what_it_took(client: Client) -> None:
    stream = client.stream(PLAIN.messages, temperature=0)
    assert "".join(stream) == stream.text == PLAIN.answer
    assert stream.finish_reason == "stop"
    assert stream.usage is not None
    assert stream.usage.completion_tokens > 1
    assert stream.timings is not None


def test_tools_are_called_and_their_results_taken(server: Server, client: Client) -> None:
    client.load(str(TINY_CHAT), max_concurrency=8, reasoning_parser="auto", tool_call_parser="auto")
    question, _, result = RESULT.messages
    answer = client.chat([question], tools=RESULT.tools, tool_choice="auto", temperature=0)
    (choice,) = answer.choices
    assert choice.finish_reason == inference_pb2.FINISH_REASON_TOOL_CALLS
    (made,) = choice.message.tool_calls
    result = {**result, "tool_call_id": made.id}
    messages = [question, choice.message, result]
    assert client.chat(messages, tools=RESULT.tools, temperature=0).choices[0].message.content == (
        RESULT.answer
    )
    stream = client.stream([question], tools=RESULT.tools, temperature=0)
    assert list(stream) == []
    assert [call.function for call in stream.tool_calls] == [made.function]
    assert stream.finish_reason == "tool_calls"
    thinking = client.stream(THINK.messages, temperature=0, logit_bias={5: -1}, metadata={"a": "b"})
    pieces = [delta.reasoning_content for delta in thinking.deltas()]
    assert "".join(pieces) == thinking.reasoning == THINK.thinking
    client.unload()


def test_a_request_takes_mappings_as_openais_api_has_them() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
    named = {"type": "function", "function": {"name": "f"}}
    request = chat_request(
        "Hi",
        "current",
        {
            "tool_choice": named,
            "response_format": schema,
            "reasoning_effort": "low",
            "logit_bias": {"15": -100},
        },
    )
    assert request.logit_bias == {15: -100}
    assert request.tool_choice.named.function.name == "f"
    assert request.response_format.json_schema.schema == '{"type": "object"}'
    assert request.reasoning_effort == inference_pb2.REASONING_EFFORT_LOW
    with pytest.raises(ValueError, match="one choice"):
        stream_request("Hi", "current", {"n": 2})


def test_a_stream_that_is_left_ends_the_generation(client: Client) -> None:
    before = client.queue().cancelled_requests
    with client.stream(ENDLESS, temperature=0) as stream:
        assert next(stream)
    for change in client.watch():
        assert change.model_id == "tiny-chat"
        break
    while client.queue().cancelled_requests == before:
        pass
    assert client.queue().active_requests == 0


def test_a_model_is_pulled_loaded_and_deleted_with_progress(client: Client) -> None:
    pulls: list[models_pb2.DownloadProgress] = []
    pulled = client.pull(MODEL, on_progress=pulls.append)
    assert pulled.status == models_pb2.DOWNLOAD_STATUS_COMPLETED
    assert pulls[-1] == pulled
    loads: list[admin_pb2.LoadProgress] = []
    loaded = client.load(MODEL, context_length=512, on_progress=loads.append)
    assert (loaded.model_id, loaded.context_length) == (MODEL, 512)
    assert loads[-1].status == admin_pb2.LOAD_STATUS_READY
    current = client.current()
    assert current is not None
    assert current.model_id == client.list()[0].id == client.show(MODEL).id == MODEL
    assert client.unload() == MODEL
    assert client.unload() is client.current() is None
    assert client.delete(MODEL).freed_bytes > 0


def test_a_download_is_cancelled_for_who_waits_for_it(client: Client, hub: PlayedHub) -> None:
    held = hub.faults.hold("model.safetensors", at=300_000)

    cancelled: list[bool] = []

    def cancel(_: models_pb2.DownloadProgress) -> None:
        if not cancelled and held.reached.wait(60):
            cancelled.append(True)
            client.cancel_download(MODEL)

    with pytest.raises(CallError) as caught:
        client.pull(MODEL, on_progress=cancel)
    held.release.set()
    assert caught.value.code == "download_cancelled"


def test_an_error_says_which_field_and_what_to_do(client: Client) -> None:
    with pytest.raises(CallError) as caught:
        client.chat("Hello!", temperature=9)
    error = caught.value
    assert (error.code, error.param, error.retry_after_s) == ("invalid_value", "temperature", None)
    assert "temperature" in error.message
    assert error.request_id is not None
    with pytest.raises(CallError) as caught:
        client.show("acme/nothing")
    assert caught.value.code == "model_not_found"


def test_what_is_not_an_option_or_a_role_is_refused_before_it_is_sent(client: Client) -> None:
    with pytest.raises(TypeError, match="heat"):
        client.chat("Hello!", heat=0)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="ROLE_BOSS"):
        client.chat([{"role": "boss", "content": "Hello!"}])
    with pytest.raises(ValueError, match="image"):
        client.chat([{"role": "user", "content": "Hello!", "image": "x"}])
    message = inference_pb2.ChatMessage(
        role=inference_pb2.ROLE_USER, content=inference_pb2.Content(text="Hello!")
    )
    assert client.chat([message], max_tokens=1).usage.completion_tokens == 1


def test_the_token_and_the_address_may_come_from_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BODEGA_CORE", server.grpc)
    with Client() as stranger, pytest.raises(CallError) as caught:
        stranger.list()
    assert caught.value.code == "missing_api_key"
    monkeypatch.setenv("BODEGA_TOKEN", TOKEN)
    with Client() as known:
        assert known.list()


def test_where_no_server_answers_the_error_says_how_to_start_one() -> None:
    with Client("localhost:1") as client, pytest.raises(CallError, match="bodega serve") as caught:
        client.health()
    assert caught.value.code == UNREACHABLE


def test_importing_it_imports_neither_mlx_nor_the_server() -> None:
    command = (sys.executable, "-c", "import bodega.client, sys; print(*sys.modules)")
    modules = set(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    )
    assert "grpc" in modules
    assert not modules & {"mlx", "aiohttp", "numpy", "rich", "click", "bodega.services"}
