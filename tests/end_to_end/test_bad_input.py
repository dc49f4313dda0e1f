"""Chat requests that cannot be honoured: each gets an answer that names what is wrong."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import requests

from tests.end_to_end.grpc_client import ReflectionClient, chat_json
from tests.end_to_end.refusals import grpc_refusal, refusal
from tests.end_to_end.server import Server

HELLO = [{"role": "user", "content": "Hello!"}]
PLAIN = json.dumps({"model": "current", "messages": HELLO, "temperature": 0, "max_tokens": 1})


@pytest.fixture(autouse=True)
def still_healthy(server: Server) -> Iterator[None]:
    """Check after each test that the server answers."""
    yield
    assert server.get("/health").status_code == 200


@pytest.fixture
def client(server: Server) -> Iterator[ReflectionClient]:
    with server.channel() as channel:
        yield ReflectionClient(channel)


def send(server: Server, body: str | bytes) -> requests.Response:
    """POST a chat request as it is written."""
    data = body if isinstance(body, bytes) else body.encode()
    headers = {"Content-Type": "application/json"}
    url = f"{server.http}/v1/chat/completions"
    return requests.post(url, data=data, headers=headers, timeout=60)


def with_member(name: str, value: str) -> str:
    """Return a chat request's text with one more member, the value as JSON text or what is not."""
    members = json.loads(PLAIN)
    members.pop(name, None)
    return f"{json.dumps(members)[:-1]}, {json.dumps(name)}: {value}}}"


BODIES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "body"),
    "no JSON": ("{", "body"),
    "two values": (f"{PLAIN} {PLAIN}", "body"),
    "a comment": (f"/* hello */ {PLAIN}", "body"),
    "single quotes": ("{'model': 'current'}", "body"),
    "an array": (f"[{PLAIN}]", "body"),
    "null": ("null", "body"),
    "a string": ('"Hello!"', "body"),
    "a number": ("5", "body"),
    "a byte order mark": (b"\xef\xbb\xbf" + PLAIN.encode(), "body"),
    "UTF-16": (PLAIN.encode("utf-16"), "body"),
    "Latin-1": (b'{"model": "\xe9t\xe9"}', "body"),
    "zero bytes": (b"\0" * 100, "body"),
    "an array nested 100,000 deep": (with_member("x", "[" * 100_000 + "]" * 100_000), "body"),
    "an array left open 100,000 deep": ("[" * 100_000, "body"),
    "objects nested 100,000 deep": ('{"x":' * 100_000 + "1" + "}" * 100_000, "body"),
    "an array nested 70 deep": (with_member("x", "[" * 70 + "]" * 70), "x" + "[0]" * 63),
    "an integer of 5,000 digits": (with_member("seed", "9" * 5000), "seed"),
    "an integer of 5,000 digits in nothing known": (with_member("x", "9" * 5000), "x"),
    "NaN": (with_member("temperature", "NaN"), "temperature"),
    "NaN in nothing known": (with_member("x", "[NaN]"), "x[0]"),
    "Infinity": (with_member("top_p", "Infinity"), "top_p"),
    "-Infinity": (with_member("min_p", "-Infinity"), "min_p"),
    "a number beyond a double": (with_member("temperature", "1e400"), "temperature"),
    "a name twice": (with_member("user", '"a", "user": "b"'), "body"),
    "a name twice inside": (
        with_member("messages", '[{"role": "user", "role": "system", "content": "x"}]'),
        "messages[0]",
    ),
    "half a surrogate pair": (
        with_member("messages", '[{"role": "user", "content": "\\ud83d"}]'),
        "messages[0].content",
    ),
    "half a surrogate pair in a name": (with_member("x", '{"\\udc00": 1}'), "x"),
    "a bare control character": (with_member("user", '"a\nb"'), "body"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_is_not_plain_json_is_refused(server: Server, case: str, stream: bool) -> None:
    body, param = BODIES[case]
    if stream and isinstance(body, str):
        body = body.replace('"model"', '"stream": true, "model"', 1)
    refusal(send(server, body), 400, "invalid_value", param)


OUT_OF_RANGE: list[tuple[str, Any]] = [
    *[("temperature", value) for value in (-0.01, 2.01, "NaN", "Infinity", "-Infinity")],
    *[("top_p", value) for value in (-0.01, 1.01, "NaN")],
    *[("min_p", value) for value in (-0.01, 1.01, "NaN")],
    *[("top_k", value) for value in (-2, -(2**31))],
    *[("repetition_penalty", value) for value in (0, -1, 101, "NaN")],
    *[("presence_penalty", value) for value in (-2.01, 2.01, "NaN")],
    *[("frequency_penalty", value) for value in (-2.01, 2.01, "NaN")],
    *[("max_tokens", value) for value in (0, -1, -(2**31))],
    *[("max_completion_tokens", value) for value in (0, -1)],
    ("user", "x" * 257),
]


@pytest.mark.parametrize(("field", "value"), OUT_OF_RANGE)
def test_a_value_out_of_range_is_refused_alike_by_http_and_grpc(
    server: Server, client: ReflectionClient, field: str, value: Any
) -> None:
    is_constant = value in ("NaN", "Infinity", "-Infinity")
    answer = send(server, with_member(field, value if is_constant else json.dumps(value)))
    told = refusal(answer, 400, "invalid_value", field)
    for method in ("CreateChatCompletion", "StreamChatCompletion"):
        call = client.unary if method.startswith("Create") else client.stream
        request = chat_json(HELLO, **{field: value})
        said = grpc_refusal(
            lambda call=call, name=f"Inference.{method}", request=request: [*call(name, request)],
            grpc.StatusCode.INVALID_ARGUMENT,
            "invalid_value",
            field,
        )
        # JSON has no NaN and no infinities: the gateway has words of its own for them.
        assert said == told or is_constant
    assert field in told


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("max_tokens", value) for value in ("2147483648", "9223372036854775808", "1.5", '"5"')],
        *[("top_k", value) for value in ("2147483648", "1.5", "true")],
        *[("seed", value) for value in ("9223372036854775808", "-9223372036854775809")],
        *[("seed", value) for value in (str(2**65), "0.5", '"7"', "[]")],
        *[("temperature", value) for value in ('"1"', "true", "[]", "{}")],
        *[("stop", value) for value in ("5", "{}", "true")],
        *[("user", value) for value in ("5", "[]")],
        *[("model", value) for value in ("5", '["current"]')],
        *[("messages", value) for value in ("{}", '"Hello!"', "5")],
        *[("stream", value) for value in ('"true"', "1", "[]", "{}")],
        *[("chat_template_kwargs", value) for value in ('"x"', "[]", "5")],
    ],
)
def test_a_value_of_another_type_is_refused(server: Server, field: str, value: str) -> None:
    message = refusal(send(server, with_member(field, value)), 400, "invalid_value", field)
    assert "expected" in message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("temperature", value) for value in (0, 2, 0.0, 1e-300)],
        *[("top_p", value) for value in (0, 1, 1e-9)],
        *[("top_k", value) for value in (-1, 0, 1, 5.0, 2**31 - 1)],
        *[("min_p", value) for value in (0, 1)],
        *[("repetition_penalty", value) for value in (1e-6, 100)],
        *[("presence_penalty", value) for value in (-2, 2)],
        *[("frequency_penalty", value) for value in (-2, 2)],
        *[("seed", value) for value in (0, 2**63 - 1, -(2**63))],
        *[("stop", value) for value in ("x" * 4096, ["a", "b", "c", "d"], [])],
        ("user", "x" * 256),
        ("messages", [{"role": "user", "content": ""}]),
        ("messages", [{"role": "user", "content": []}]),
        ("messages", [{"role": "user", "content": "null \0 and \x1b escape"}]),
        *[(field, None) for field in ("max_tokens", "temperature", "stop", "seed", "stream")],
    ],
)
def test_what_lies_at_the_edge_is_taken(server: Server, field: str, value: Any) -> None:
    fields = {"messages": HELLO, "max_tokens": 1, "temperature": 1, field: value}
    answer = server.chat(**fields)
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["completion_tokens"] >= 1


@pytest.mark.parametrize("data", [b"\xff\xff", b"\x0a\x02\xff\xfe", b"\x0a\x7fcut short"])
@pytest.mark.parametrize("method", ["CreateChatCompletion", "StreamChatCompletion"])
def test_bytes_that_are_no_message_are_refused(server: Server, method: str, data: bytes) -> None:
    with server.channel() as channel:
        call = channel.unary_stream(f"/bodega.v1.Inference/{method}")
        grpc_refusal(
            lambda: list(call(data, timeout=60)),
            grpc.StatusCode.INVALID_ARGUMENT,
            "invalid_value",
            "body",
        )


def test_after_all_this_the_server_answers_as_before(server: Server) -> None:
    answer = server.chat(messages=HELLO)
    assert answer.json()["choices"][0]["message"]["content"] == "Hello! How can I help you today?"
    assert server.stats()["active_requests"] == 0
