"""Chat requests whose JSON is sound and that still make no chat."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from tests.end_to_end.grpc_client import ReflectionClient, chat_json
from tests.end_to_end.refusals import grpc_refusal, refusal
from tests.end_to_end.server import Server

HELLO = [{"role": "user", "content": "Hello!"}]


@pytest.fixture
def client(server: Server) -> Iterator[ReflectionClient]:
    with server.channel() as channel:
        yield ReflectionClient(channel)


USER = {"role": "user", "content": "x"}
CALL = {"id": "a", "function": {"name": "f"}}
MESSAGES: dict[str, tuple[Any, str, str]] = {
    "none": ([], "missing_parameter", "messages"),
    "null": (None, "missing_parameter", "messages"),
    "too many": ([USER] * 16_385, "invalid_value", "messages"),
    "no object": ([5], "invalid_value", "messages[0]"),
    "nothing in it": ([{}], "missing_parameter", "messages[0].role"),
    "no role": ([USER, {"content": "x"}], "missing_parameter", "messages[1].role"),
    "a misspelt role": ([{**USER, "role": "usr"}], "invalid_value", "messages[0].role"),
    "a role in capitals": ([{**USER, "role": "USER"}], "invalid_value", "messages[0].role"),
    "no content": ([{"role": "user"}], "missing_parameter", "messages[0].content"),
    "an answer without content": (
        [{"role": "assistant", "content": None}],
        "missing_parameter",
        "messages[0].content",
    ),
    "a number as content": ([{**USER, "content": 5}], "invalid_value", "messages[0].content"),
    "a part that is no object": (
        [{**USER, "content": ["x"]}],
        "invalid_value",
        "messages[0].content[0]",
    ),
    "a part without a type": (
        [{**USER, "content": [{"text": "x"}]}],
        "missing_parameter",
        "messages[0].content[0].type",
    ),
    "a text part without text": (
        [{**USER, "content": [{"type": "text"}]}],
        "missing_parameter",
        "messages[0].content[0].text",
    ),
    "an image": (
        [{**USER, "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}],
        "unsupported_parameter",
        "messages[0].content[0].type",
    ),
    "a call by the user": (
        [{**USER, "tool_calls": [CALL]}],
        "invalid_value",
        "messages[0].tool_calls",
    ),
    "a call of nothing": (
        [{"role": "assistant", "tool_calls": [{"id": "a"}]}],
        "missing_parameter",
        "messages[0].tool_calls[0].function.name",
    ),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_messages_that_make_no_conversation_are_refused(server: Server, case: str) -> None:
    messages, code, param = MESSAGES[case]
    refusal(server.chat(messages=messages), 400, code, param)


BAD_ARGUMENTS = {
    "no JSON": "{",
    "a list": "[]",
    "a text": '"x"',
    "NaN": '{"x": NaN}',
    "a number beyond a double": '{"x": 1e999}',
    "an integer of 5,000 digits": '{"x": ' + "9" * 5000 + "}",
    "half a surrogate pair": '{"x": "\\ud800"}',
    "half a surrogate pair as a name": '{"\\udfff": 1}',
    "too many levels": '{"x": ' + "[" * 64 + "]" * 64 + "}",
    "levels that Python reads and no template prints": '{"x": ' + "[" * 900 + "]" * 900 + "}",
    "levels without end": '{"x": ' + "[" * 100_000,
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_arguments_that_no_template_can_print_are_refused(
    server: Server, client: ReflectionClient, case: str
) -> None:
    text = BAD_ARGUMENTS[case]
    place = "messages[1].tool_calls[0].function.arguments"
    # The control token in it makes the server look through all of the arguments.
    asked = {"role": "user", "content": "x <|im_end|>"}
    call = {"id": "a", "function": {"name": "f", "arguments": text}}
    answer = server.chat(messages=[asked, {"role": "assistant", "tool_calls": [call]}])
    message = refusal(answer, 400, "invalid_value", place)
    request = chat_json([asked])
    request["messages"].append({"role": "ROLE_ASSISTANT", "tool_calls": [call]})
    bad = grpc.StatusCode.INVALID_ARGUMENT, "invalid_value"
    create = "Inference.CreateChatCompletion"
    assert message == grpc_refusal(lambda: client.unary(create, request), *bad, place)
    request = chat_json([asked], chat_template_kwargs=text)
    grpc_refusal(lambda: client.unary(create, request), *bad, "chat_template_kwargs")


def test_arguments_as_deep_as_may_be_are_taken(server: Server) -> None:
    text = '{"x": ' + "[" * 63 + '"<|im_end|>"' + "]" * 63 + "}"
    call = {"id": "a", "function": {"name": "f", "arguments": text}}
    answer = server.chat(messages=[{"role": "assistant", "tool_calls": [call]}], max_tokens=1)
    assert answer.status_code == 200


@pytest.mark.parametrize("stop", ["", [""], ["a", ""], list("abcde"), "x" * 4097])
def test_stops_that_cannot_be_are_refused(server: Server, stop: str | list[str]) -> None:
    message = refusal(server.chat(messages=HELLO, stop=stop), 400, "invalid_value", "stop")
    assert "4" in message


@pytest.mark.parametrize("model", [None, ""])
def test_a_chat_without_a_model_is_told_the_name_of_the_loaded_one(
    server: Server, model: str | None
) -> None:
    message = refusal(server.chat(model=model, messages=HELLO), 400, "missing_parameter", "model")
    assert "current" in message


@pytest.mark.parametrize("name", ["gpt-4", "../../etc/passwd", "a\r\nb", "\x1b[2J", "é" * 4096])
def test_a_model_that_is_not_loaded_is_404_and_the_loaded_one_named(
    server: Server, client: ReflectionClient, name: str
) -> None:
    message = refusal(server.chat(model=name, messages=HELLO), 404, "model_not_found", "model")
    assert "'tiny-chat'" in message
    assert "/v1/admin/load-model" in message
    request = chat_json(HELLO, model=name)
    assert message == grpc_refusal(
        lambda: client.unary("Inference.CreateChatCompletion", request),
        grpc.StatusCode.NOT_FOUND,
        "model_not_found",
        "model",
    )


def test_a_name_too_long_for_any_model_is_400(server: Server) -> None:
    refusal(server.chat(model="x" * 4097, messages=HELLO), 400, "invalid_value", "model")


@pytest.mark.parametrize(
    "name",
    [
        *("messages", "tools", "documents", "tokenize", "chat_template", "conversation"),
        *("add_generation_prompt", "continue_final_message", "return_dict", "padding"),
        *("bos_token", "eos_token", "pad_token", "raise_exception", "strftime_now"),
        *("range", "self", "loop", "__class__", "", "no such name", "a\r\nb: c", "é" * 5000),
    ],
)
def test_template_arguments_other_than_the_templates_own_are_refused(
    server: Server, client: ReflectionClient, name: str
) -> None:
    arguments = {name: "{{ 7 * 7 }}"}
    answer = server.chat(messages=HELLO, chat_template_kwargs=arguments)
    param = answer.json()["error"]["param"]
    message = refusal(answer, 400, "invalid_value", param)
    assert "enable_thinking" in message
    assert param.startswith("chat_template_kwargs.")
    assert param.isprintable()
    request = chat_json(HELLO, chat_template_kwargs=json.dumps(arguments))
    assert message == grpc_refusal(
        lambda: client.unary("Inference.CreateChatCompletion", request),
        grpc.StatusCode.INVALID_ARGUMENT,
        "invalid_value",
        param,
    )


def test_after_all_this_the_server_answers_as_before(server: Server) -> None:
    answer = server.chat(messages=HELLO)
    assert answer.json()["choices"][0]["message"]["content"] == "Hello! How can I help you today?"
    assert server.stats()["active_requests"] == 0
