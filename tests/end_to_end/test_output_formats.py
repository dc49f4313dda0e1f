"""A model of every format of output, loaded as users load it, answers in OpenAI's terms."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.both_ways import ask
from tests.end_to_end.refusals import refusal
from tests.end_to_end.server import Json, Server, serve
from tests.models import TINY_CHAT
from tests.models.formats import FORMATS, Format, Reply


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server for models to be loaded into."""
    with serve(home=tmp_path_factory.mktemp("home")) as running:
        yield running
        assert running.stop() == 0


def load(server: Server, **fields: Any) -> Json:
    """Load a model and return what is told of it."""
    answer = server.post("/v1/admin/load-model", {"max_concurrency": 8, **fields})
    assert answer.status_code == 200, answer.text
    info: Json = server.get("/v1/admin/current-model").json()["model_info"]
    return info


def parsers(info: Json) -> tuple[str, str]:
    return info["reasoning_parser"], info["tool_call_parser"]


def reply_of(choice: Json) -> Reply:
    message = choice["message"]
    calls = [call["function"] for call in message.get("tool_calls", [])]
    assert choice["finish_reason"] == ("tool_calls" if calls else "stop")
    return Reply(
        reasoning=message.get("reasoning_content"),
        content=message["content"],
        calls=tuple((call["name"], json.loads(call["arguments"])) for call in calls),
    )


def check(server: Server, one: Format) -> None:
    """Check every answer; that with most in it also as a stream, and over gRPC."""
    for exchange in one.exchanges:
        fields: Json = {"messages": list(exchange.messages)}
        if exchange.tools:
            fields["tools"] = list(exchange.tools)
        is_long = exchange.name in ("note", "two_calls")
        told = ask(server, **fields) if is_long else server.chat(**fields).json()
        (choice,) = told["choices"]
        assert reply_of(choice) == exchange.reply, exchange.name


@pytest.mark.parametrize("name", FORMATS)
def test_what_tells_thinking_and_calls_is_chosen_from_the_template(
    server: Server, name: str
) -> None:
    one = FORMATS[name]
    info = load(
        server, model_path=str(one.folder), reasoning_parser="auto", tool_call_parser="auto"
    )
    assert parsers(info) == (one.reasoning, one.name)
    check(server, one)


def test_it_may_be_named(server: Server) -> None:
    one = FORMATS["glm4_moe"]
    names = {"reasoning_parser": "glm4_moe", "tool_call_parser": "glm4_moe"}
    assert parsers(load(server, model_path=str(one.folder), **names)) == ("glm4_moe", "glm4_moe")
    check(server, one)


def test_ids_of_calls_are_such_that_the_template_takes_them_back(server: Server) -> None:
    one = FORMATS["mistral"]
    load(server, model_path=str(one.folder), tool_call_parser="mistral")
    oslo, result = (
        next(exchange for exchange in one.exchanges if exchange.name == name)
        for name in ("oslo", "result")
    )
    messages, tools = list(oslo.messages), list(oslo.tools)
    message = server.chat(messages=messages, tools=tools).json()["choices"][0]["message"]
    call_id = message["tool_calls"][0]["id"]
    assert re.fullmatch("[A-Za-z0-9]{9}", call_id)
    messages += [message, {**result.messages[-1], "tool_call_id": call_id}]
    answer = server.chat(messages=messages, tools=tools).json()
    assert answer["choices"][0]["message"]["content"] == result.reply.content


def test_without_it_the_raw_text_is_the_content(server: Server) -> None:
    one = FORMATS["kimi_k2"]
    assert parsers(load(server, model_path=str(one.folder))) == ("none", "none")
    for exchange in one.exchanges:
        answer = server.chat(messages=list(exchange.messages), tools=list(exchange.tools)).json()
        assert answer["choices"][0]["message"]["content"] == one.write(exchange.reply)


def test_calls_alone_may_be_told_from_the_template(server: Server) -> None:
    folder = str(FORMATS["qwen3_coder"].folder)
    info = load(server, model_path=folder, enable_auto_tool_choice=True)
    assert parsers(info) == ("none", "qwen3_coder")
    info = load(server, model_path=folder, enable_auto_tool_choice=False, tool_call_parser="hermes")
    assert parsers(info) == ("none", "hermes")


@pytest.mark.parametrize("param", ["reasoning_parser", "tool_call_parser"])
def test_a_name_that_is_not_known_is_refused_with_those_that_are(
    server: Server, param: str
) -> None:
    before = server.loaded_model()
    answer = server.post("/v1/admin/load-model", {"model_path": str(TINY_CHAT), param: "qwen9"})
    message = refusal(answer, 400, "invalid_value", param)
    for name in ("glm4_moe", "minimax_m2", "auto", "none"):
        assert name in message
    assert server.loaded_model() == before
