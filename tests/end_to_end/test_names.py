"""Names in a chat request beyond those that are served: known ones, unknown ones, the stream's."""

import json
from typing import Any

import pytest
import requests
from bodega_api.v1 import dialect_pb2, inference_pb2

from tests.end_to_end.refusals import refusal
from tests.end_to_end.server import Server
from tests.models import TRANSCRIPTS

SIMPLE = next(one for one in TRANSCRIPTS if one.name == "sum")


def unserved(message: Any) -> dict[str, list[str]]:
    """Return the names that the contract calls unserved, with the JSON texts they may have."""
    names = message.DESCRIPTOR.GetOptions().Extensions[dialect_pb2.message].unserved
    return {name.name: list(name.accepts) for name in names}


UNSERVED = unserved(inference_pb2.CreateChatCompletionRequest)

WANTED: list[tuple[str, Any]] = [
    ("functions", [{"name": "f"}]),
    ("function_call", {"name": "f"}),
    ("modalities", ["text", "audio"]),
    ("audio", {"voice": "alloy", "format": "wav"}),
    ("prediction", {"type": "content", "content": "x"}),
    ("verbosity", "low"),
    ("service_tier", "priority"),
    ("store", True),
    ("web_search_options", {}),
    ("moderation", {}),
]


def ask(server: Server, **fields: Any) -> requests.Response:
    """Ask for the short answer."""
    return server.chat(messages=list(SIMPLE.messages), **fields)


def assert_answered(answer: requests.Response) -> None:
    """Check that the short answer came, and that all the request said was heeded."""
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == SIMPLE.answer
    assert "Bodega-Ignored-Fields" not in answer.headers


def test_every_unserved_name_is_tried_here() -> None:
    assert {name for name, _ in WANTED} == set(UNSERVED)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("name", "value"), WANTED)
def test_a_name_that_is_not_served_is_refused_by_name(
    server: Server, name: str, value: Any, stream: bool
) -> None:
    answer = ask(server, stream=stream, **{name: value})
    message = refusal(answer, 400, "unsupported_parameter", name)
    assert name in message
    assert "leave it out" in message


@pytest.mark.parametrize("name", UNSERVED)
def test_a_name_that_is_not_served_may_be_null_or_openais_default(
    server: Server, name: str
) -> None:
    assert_answered(ask(server, **{name: None}))
    for text in UNSERVED[name]:
        assert_answered(ask(server, **{name: json.loads(text)}))


def test_a_request_may_say_all_of_openais_defaults_at_once(server: Server) -> None:
    said = {name: json.loads(texts[0]) if texts else None for name, texts in UNSERVED.items()}
    nothing = dict.fromkeys(("max_tokens", "stop", "seed", "user", "stream_options"))
    assert_answered(ask(server, **said, **nothing, stream=False))


@pytest.mark.parametrize("name", unserved(inference_pb2.ChatMessage))
def test_a_name_that_is_not_served_in_a_message_is_refused_with_its_place(
    server: Server, name: str
) -> None:
    (message,) = SIMPLE.messages
    refused = server.chat(messages=[message, {**message, name: {"x": 1}}])
    refusal(refused, 400, "unsupported_parameter", f"messages[1].{name}")
    assert_answered(server.chat(messages=[{**message, name: None}]))


def test_unknown_names_are_accepted_and_named_in_a_header(server: Server) -> None:
    (message,) = SIMPLE.messages
    request = {"messages": [{**message, "colour": "red"}], "zebra": [1, {"x": None}], "null": None}
    answer = server.chat(**request)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == SIMPLE.answer
    named = answer.headers["Bodega-Ignored-Fields"].split(", ")
    assert sorted(named) == ["messages[0].colour", "null", "zebra"]
    stream = server.chat(**request, stream=True, stream_options={"pace": 1})
    assert stream.status_code == 200
    named = stream.headers["Bodega-Ignored-Fields"].split(", ")
    assert sorted(named) == ["messages[0].colour", "null", "stream_options.pace", "zebra"]


def test_unknown_names_cannot_write_headers_or_fill_them(server: Server) -> None:
    answer = ask(server, **{"a\r\nSet-Cookie: b": 1, "naïve, x": 1, "\0": 1})
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    named = answer.headers["Bodega-Ignored-Fields"]
    assert named == "a%0D%0ASet-Cookie:%20b, na%C3%AFve%2C%20x, %00"
    many = ask(server, **{f"unknown_{at}": at for at in range(10_000)}, **{"x" * 100_000: 1})
    assert many.status_code == 200
    assert len(many.headers["Bodega-Ignored-Fields"]) < 4096
    assert many.headers["Bodega-Ignored-Fields"].endswith("...")


def test_names_are_those_of_the_api_and_no_others(server: Server) -> None:
    answer = ask(server, maxTokens=1, MAX_TOKENS=1, **{" max_tokens": 1})
    assert answer.json()["choices"][0]["finish_reason"] == "stop"
    assert answer.headers["Bodega-Ignored-Fields"] == "maxTokens, MAX_TOKENS, %20max_tokens"


@pytest.mark.parametrize("options", [{}, {"include_usage": True}, {"include_usage": False}])
@pytest.mark.parametrize("stream", [{}, {"stream": False}, {"stream": None}], ids=str)
def test_stream_options_without_a_stream_are_refused(
    server: Server, stream: dict[str, Any], options: dict[str, Any]
) -> None:
    answer = ask(server, stream_options=options, **stream)
    message = refusal(answer, 400, "invalid_value", "stream_options")
    assert "stream" in message


@pytest.mark.parametrize(
    ("options", "code", "param"),
    [
        ([], "invalid_value", "stream_options"),
        (True, "invalid_value", "stream_options"),
        ({"include_usage": "yes"}, "invalid_value", "stream_options.include_usage"),
        ({"include_usage": 1}, "invalid_value", "stream_options.include_usage"),
        (
            {"include_obfuscation": True},
            "unsupported_parameter",
            "stream_options.include_obfuscation",
        ),
    ],
)
def test_stream_options_that_cannot_be_are_refused_before_the_stream(
    server: Server, options: Any, code: str, param: str
) -> None:
    refusal(ask(server, stream=True, stream_options=options), 400, code, param)
