"""What a caller says stays between the caller and the model: no answer to others, no log has it."""

import json
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests

import bodega
from tests.end_to_end.grpc_client import ReflectionClient, chat_json
from tests.end_to_end.server import Json, Server, serve
from tests.models import TINY_CHAT

CANARY = "canary-7f3a9c"
SEED = 773311991177
NAME = "name-5d1e8b\r\nlevel: \x1b[31m\u2028forged"

TRACES = re.compile(r"Traceback|File \"|, line [0-9]+, in |\b0x[0-9a-f]{6,}|object at ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a server told while it was sent what it must not tell.

    Attributes:
        answers: every answer, its headers with it.
        lines: every line of its log.
        home: the folder it kept its files in.
    """

    answers: list[str]
    lines: list[str]
    home: Path


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Return what a server told of requests full of canaries."""
    home = tmp_path_factory.mktemp("home")
    templates = tmp_path_factory.mktemp("templates")
    with serve("--model", str(TINY_CHAT), "--max-concurrency", "4", home=home) as server:
        answers = [*over_http(server), *over_grpc(server), *with_templates(server, templates)]
        assert server.get("/health").status_code == 200
        assert server.stop() == 0
        return Record(answers=answers, lines=server.lines, home=home)


def said(**fields: Any) -> Json:
    """Return a chat request that has the canary wherever text can be, with an answer too short."""
    call = {
        "id": CANARY,
        "function": {"name": CANARY, "arguments": json.dumps({CANARY: CANARY})},
    }
    messages = [
        {"role": "system", "content": CANARY, "name": CANARY},
        {"role": "user", "content": [{"type": "text", "text": CANARY}]},
        {"role": "assistant", "content": CANARY, "tool_calls": [call]},
        {"role": "tool", "content": CANARY, "tool_call_id": CANARY},
        {"role": "user", "content": f"{CANARY} <|im_end|> </think>"},
    ]
    parameters = {"type": "object", "properties": {CANARY: {"description": CANARY}}}
    tool = {"function": {"name": CANARY, "description": CANARY, "parameters": parameters}}
    said = {"model": "current", "messages": messages, "max_tokens": 1, "seed": SEED}
    said |= {"tools": [tool], "metadata": {CANARY: CANARY}}
    return {**said, "stop": [CANARY], **fields}


BAD_FIELDS: list[Json] = [
    {"temperature": CANARY},
    {"temperature": 9},
    {"max_tokens": -1},
    {"stop": [CANARY, ""]},
    {"seed": f"{SEED}"},
    {"seed": 10**30},
    {"stream": CANARY},
    {"stream_options": {"include_usage": CANARY}},
    {"messages": CANARY},
    {"messages": [CANARY]},
    {"messages": [{"role": CANARY, "content": CANARY}]},
    {"messages": [{"role": "user", "content": [{"type": CANARY, "text": CANARY}]}]},
    {"messages": [{"role": "user", "content": [CANARY]}]},
    {"messages": [{"role": "user", "content": CANARY * 2000}]},
    {"chat_template_kwargs": CANARY},
    {"chat_template_kwargs": {"enable_thinking": CANARY}},
    {"chat_template_kwargs": {"messages": CANARY}},
    {"chat_template_kwargs": {NAME: CANARY}},
    {"tools": [CANARY]},
    {"tools": [{"function": {"name": f"{CANARY} {CANARY}"}}]},
    {"tools": [{"function": {"name": "f", "parameters": {"type": CANARY}}}]},
    {"tool_choice": CANARY},
    {"metadata": {"x": CANARY * 100}},
    {"logit_bias": {NAME: 1}},
    {"response_format": {"type": CANARY}},
    {"user": CANARY * 100},
    {"model": NAME},
    {"zebra": {"x": CANARY}},
]


def over_http(server: Server) -> Iterator[str]:
    """Ask and misask over HTTP, and yield the answers."""
    for stream in (False, True):
        for fields in ({}, *BAD_FIELDS):
            yield told(server.post("/v1/chat/completions", said(**{"stream": stream, **fields})))
    for body in (
        json.dumps(said())[:-1],
        json.dumps(said()) + CANARY,
        json.dumps(said()).replace(f'"{CANARY}"', f'"{CANARY}\\ud800"'),
        json.dumps(said()).replace(f'"{CANARY}"', f'{{"{CANARY}": 1, "{CANARY}": NaN}}', 1),
    ):
        yield told(post(server, "/v1/chat/completions", body.encode()))
    yield told(post(server, "/v1/chat/completions", CANARY.encode() + b"\xff"))
    for fields in (
        {"model_path": NAME},
        {"model_path": f"/no/such/{NAME}"},
        {"model_path": str(TINY_CHAT), "model_id": NAME},
        {"model_path": str(TINY_CHAT), "chat_template_file": f"/no/such/{NAME}"},
    ):
        yield told(server.post("/v1/admin/load-model", fields))
    yield told(server.get(f"/v1/models/{requests.utils.quote(NAME, safe='')}"))
    for path in ("/v1/admin/current-model", "/v1/models", "/v1/queue/stats", "/health"):
        answer = server.get(path)
        # The model's path is what the operator gave for it.
        yield told(answer).replace(str(TINY_CHAT), "")


def post(server: Server, path: str, body: bytes) -> requests.Response:
    headers = {"Content-Type": "application/json"}
    return requests.post(f"{server.http}{path}", data=body, headers=headers, timeout=60)


def told(answer: requests.Response) -> str:
    """Return an answer as one text."""
    return f"{answer.status_code} {dict(answer.headers)} {answer.text}"


def over_grpc(server: Server) -> Iterator[str]:
    """Ask and misask over gRPC, and yield what the errors tell."""
    messages = [{"role": "user", "content": CANARY}]
    with server.channel() as channel:
        client = ReflectionClient(channel)
        for fields in (
            {"temperature": 9},
            {"messages": []},
            {"model": NAME},
            {"chat_template_kwargs": CANARY},
            {"chat_template_kwargs": json.dumps({NAME: CANARY})},
        ):
            request = {**chat_json(messages, seed=SEED), **fields}
            yield failed(lambda r=request: client.unary("Inference.CreateChatCompletion", r))
            yield failed(lambda r=request: [*client.stream("Inference.StreamChatCompletion", r)])
        for method, request in (
            ("Admin.LoadModel", {"model_path": NAME}),
            ("Models.GetModel", {"model": NAME}),
        ):
            yield failed(lambda m=method, r=request: client.unary(m, r))
        for method in ("CreateChatCompletion", "StreamChatCompletion"):
            # No message: a field of bytes beyond the end, and a text that is not UTF-8.
            for data in (CANARY.encode() + b"\xff\xff", b"\x0a\x02\xff\xfe"):
                call = channel.unary_stream(f"/bodega.v1.Inference/{method}")
                yield failed(lambda c=call, d=data: [*c(d, timeout=60)])


def failed(call: Any) -> str:
    """Return all that the error of a call tells."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    assert raised.value.code() not in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
    return f"{raised.value.code()} {raised.value.details()} {raised.value.trailing_metadata()}"


FAILING_TEMPLATES = (
    "{{ messages[-1].content.nothing.more }}",
    "{{ messages[-1].content + 1 }}",
    "{{ messages[-1].content | no_such_filter }}",
    "{{ messages[-1].content.__class__.__mro__[1].__subclasses__() }}",
    "{{ messages[messages[-1].content] }}",
    "{% for x in range(10 ** 9) %}{% endfor %}",
    "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(messages[-1].content) }}",
    "{{ messages[-1].content.format_map(5) }}",
)


def when_said(source: str) -> str:
    """Return a template that is well until the canary is said: they are tried at load."""
    said = f"'{CANARY}' in messages[-1].content | string"
    return f"{{% if {said} %}}{source}{{% endif %}}{{{{ tools }}}}"


def with_templates(server: Server, folder: Path) -> Iterator[str]:
    """Ask with templates that fail on what is said, and yield the answers."""
    for number, source in enumerate(FAILING_TEMPLATES):
        file = folder / f"{number}.jinja"
        file.write_text(when_said(source))
        fields = {"model_path": str(TINY_CHAT), "chat_template_file": str(file)}
        loaded = server.post("/v1/admin/load-model", fields)
        yield told(loaded).replace(str(TINY_CHAT), "")
        for stream in (False, True):
            yield told(server.post("/v1/chat/completions", said(stream=stream)))
    # This one tells the caller in its own words, which are the caller's; the log still must not.
    file.write_text(when_said("{{ raise_exception(messages[-1].content) }}"))
    assert server.post("/v1/admin/load-model", fields).status_code == 200
    answer = server.post("/v1/chat/completions", said())
    assert CANARY in answer.json()["error"]["message"]
    assert server.post("/v1/admin/load-model", {"model_path": str(TINY_CHAT)}).status_code == 200


def test_no_answer_is_a_fault_of_the_servers_own(record: Record) -> None:
    statuses = [answer.split()[0] for answer in record.answers]
    assert {status for status in statuses if status.startswith("5")} == set()
    assert statuses.count("400") > 30


def test_no_answer_quotes_what_was_said(record: Record) -> None:
    assert [answer for answer in record.answers if CANARY in answer] == []
    assert [answer for answer in record.answers if str(SEED) in answer] == []


def test_the_log_holds_nothing_of_what_was_said(record: Record) -> None:
    assert len(record.lines) > 10
    assert [line for line in record.lines if CANARY in line] == []
    assert [line for line in record.lines if str(SEED) in line] == []


def test_nobody_is_shown_the_inside_of_the_program(record: Record) -> None:
    shown = [text for text in (*record.answers, *record.lines) if TRACES.search(text)]
    assert shown == []


def test_no_answer_tells_where_anything_is_installed_or_kept(record: Record) -> None:
    places = {
        str(Path(bodega.__file__).parent),
        str(Path(bodega.__file__).parents[1]),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("stdlib"),
        str(record.home),
        str(Path.home() / ".cache"),
    }
    told = [answer for answer in record.answers for place in places if place in answer]
    assert told == []


def test_a_name_cannot_break_a_line(record: Record) -> None:
    named = [answer for answer in record.answers if "name-5d1e8b" in answer]
    assert len(named) > 10
    for text in named:
        assert text.isprintable(), text
    for line in record.lines:
        assert line.isprintable(), line
        assert {"time", "level", "logger", "message"} <= set(json.loads(line))
