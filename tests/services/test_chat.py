"""Chats over a scripted model: what an answer is made of, whole and piece by piece."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from bodega_api.v1 import inference_pb2
from google.protobuf.json_format import MessageToDict

from bodega.engine.engine import Engine
from bodega.errors import ModelIsLoading
from bodega.gateway.encode import Encoder
from bodega.limits import MAX_COMPILING
from bodega.rpc.call import Call, current_call
from tests.engine.scripted import ScriptedGuide, tokens_of
from tests.services.inference import CHAT, Inference, Json, chat_body, inference, tool

LOOK = '<tool_call>\n{"name": "look", "arguments": {"at": "it"}}\n</tool_call>'
FIND = '<tool_call>\n{"name": "find", "arguments": {}}\n</tool_call>'
TOOLS = [tool("look"), tool("find")]


def plain(message: Any) -> Json:
    """Return a message as HTTP has it, without what differs every time."""
    request = inference_pb2.CreateChatCompletionRequest()
    value: Json = json.loads(Encoder(message.DESCRIPTOR).for_request(request)(message))
    for name in ("id", "created"):
        value.pop(name)
    return value


def joined(chunks: list[inference_pb2.ChatCompletionChunk], index: int = 0) -> Json:
    """Return the message that the chunks of a choice are, with its end and probabilities."""
    message: Json = {"content": "", "reasoning_content": "", "tool_calls": {}}
    logprobs: list[Any] = []
    finish = None
    for chunk in chunks:
        for choice in plain(chunk)["choices"]:
            if choice["index"] != index:
                continue
            assert finish is None, "nothing comes after the end"
            finish = choice["finish_reason"]
            logprobs += choice.get("logprobs", {"content": []})["content"]
            delta = choice["delta"]
            for name in ("content", "reasoning_content"):
                message[name] += delta.get(name, "")
            for call in delta.get("tool_calls", []):
                if "id" in call:
                    assert call["function"] == {"name": call["function"]["name"], "arguments": ""}
                    assert call["index"] == len(message["tool_calls"])
                    message["tool_calls"][call["index"]] = {
                        "id": call["id"],
                        "type": call["type"],
                        "function": {"name": call["function"]["name"], "arguments": ""},
                    }
                else:
                    begun = message["tool_calls"][call["index"]]
                    begun["function"]["arguments"] += call["function"]["arguments"]
    return {"message": message, "finish_reason": finish, "logprobs": logprobs}


async def both(served: Inference, **members: Any) -> Json:
    """Return the first choice of an answer, which is the same whole and joined."""
    whole = plain(await served.chat(**members))["choices"][0]
    chunks = await served.chunks(**members)
    assert plain(chunks[0])["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    told = joined(chunks)
    message = whole["message"]
    calls = list(told["message"]["tool_calls"].values())
    for call in [*calls, *message.get("tool_calls", [])]:
        assert call.pop("id").startswith("call_")
    assert told["message"]["content"] == (message["content"] or "")
    assert told["message"]["reasoning_content"] == message.get("reasoning_content", "")
    assert calls == message.get("tool_calls", []) or whole["finish_reason"] != "tool_calls"
    assert told["finish_reason"] == whole["finish_reason"]
    assert told["logprobs"] == whole.get("logprobs", {"content": []})["content"]
    return whole


def call(name: str, arguments: str) -> Json:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


async def test_an_answer_without_parsers_is_its_text(engine: Engine) -> None:
    async with inference(engine) as served:
        served.model.answer = tokens_of("<think>no</think>" + LOOK)
        choice = await both(served, tools=TOOLS)
    assert choice == {
        "index": 0,
        "message": {"role": "assistant", "content": "<think>no</think>" + LOOK},
        "finish_reason": "stop",
    }


@pytest.mark.parametrize(
    ("text", "members", "message", "finish"),
    [
        (
            "<think>\nhm\n</think>\n\nYes.",
            {},
            {"reasoning_content": "hm", "content": "Yes."},
            "stop",
        ),
        (LOOK, {}, {"content": None, "tool_calls": [call("look", '{"at": "it"}')]}, "tool_calls"),
        (
            f"<think>hm</think>So: {LOOK}\n{FIND}",
            {},
            {
                "reasoning_content": "hm",
                "content": "So:",
                "tool_calls": [call("look", '{"at": "it"}'), call("find", "{}")],
            },
            "tool_calls",
        ),
        (
            f"{LOOK}\n{FIND}",
            {"parallel_tool_calls": False},
            {"content": None, "tool_calls": [call("look", '{"at": "it"}')]},
            "tool_calls",
        ),
        (LOOK, {"max_tokens": 20}, {"content": LOOK[: 20 + len("<tool_call>") - 1]}, "length"),
        (LOOK, {"tool_choice": "none"}, {"content": LOOK}, "stop"),
        (LOOK, {"tools": None}, {"content": LOOK}, "stop"),
        ("<think>hm", {"max_tokens": 3}, {"content": "", "reasoning_content": "hm"}, "length"),
    ],
)
async def test_an_answer_is_told_apart_alike_whole_and_in_pieces(
    engine: Engine, text: str, members: Json, message: Json, finish: str
) -> None:
    async with inference(engine, reasoning_parser="qwen3", tool_call_parser="qwen3") as served:
        served.model.answer = tokens_of(text)
        choice = await both(served, **{"tools": TOOLS, **members})
    assert choice["message"] == {"role": "assistant", **message}
    assert choice["finish_reason"] == finish


async def test_thinking_and_its_tags_are_counted(engine: Engine) -> None:
    async with inference(engine, reasoning_parser="qwen3") as served:
        served.model.answer = tokens_of("<think>hm</think>Yes.")
        usage = (await served.chat()).usage
        chunks = await served.chunks(stream_options={"include_usage": True})
    assert usage.completion_tokens_details.reasoning_tokens == 4
    assert usage.completion_tokens == 4 + len("Yes.") + 1
    assert MessageToDict(chunks[-1].usage) == MessageToDict(usage)


async def test_an_answer_that_ends_after_one_call_counts_as_answered(engine: Engine) -> None:
    async with inference(engine, tool_call_parser="hermes") as served:
        served.model.answer = tokens_of(LOOK + "\n" + FIND)
        usage = (await served.chat(tools=TOOLS, parallel_tool_calls=False)).usage
        await served.loaded.resident.until_idle()
        assert served.loaded.resident.traffic.completed_requests == 1
    assert usage.completion_tokens <= len(tokens_of(LOOK))


async def test_every_token_tells_its_probability(engine: Engine) -> None:
    async with inference(engine, reasoning_parser="qwen3") as served:
        served.model.answer = tokens_of("<think>h</think>\u00e9")
        choice = await both(served, logprobs=True, top_logprobs=1)
    told = choice["logprobs"]["content"]
    assert [one["token"] for one in told[:4]] == ["<think>", "h", "</think>", "\ufffd"]
    assert told[4] == {
        "token": "\ufffd",
        "logprob": -0.5,
        "bytes": [0xA9],
        "top_logprobs": [{"token": "\ufffd", "logprob": -0.5, "bytes": [0xA9]}],
    }


async def test_several_choices_differ_in_their_seeds_and_the_first_has_the_requests(
    engine: Engine,
) -> None:
    async with inference(engine) as served:
        served.model.answer = tokens_of("Yes.")
        whole = plain(await served.chat(n=3, seed=7))
        chunks = await served.chunks(n=3, seed=7, stream_options={"include_usage": True})
        seeds = [row.sampling.seed for row in served.model.rows]
    assert [choice["index"] for choice in whole["choices"]] == [0, 1, 2]
    assert whole["usage"]["prompt_tokens"] == 1
    assert whole["usage"]["completion_tokens"] == 3 * 5
    assert seeds[:3] == seeds[3:]
    assert seeds[0] == 7
    assert len(set(seeds)) == 3
    for choice in whole["choices"]:
        told = joined(chunks, choice["index"])
        assert told["message"]["content"] == choice["message"]["content"] == "Yes."
    assert MessageToDict(chunks[-1].usage)["completionTokens"] == 15
    assert not chunks[-1].choices


async def test_the_template_is_told_what_the_request_says(engine: Engine) -> None:
    async with inference(engine, tool_call_parser="hermes") as served:
        served.model.answer = tokens_of("Yes.")
        strict = tool("look", strict=True, parameters={"type": "object"})
        await served.chat(tools=[strict, tool("find")], reasoning_effort="low")
        await served.chat(tools=TOOLS, tool_choice="none", reasoning_effort="none")
        messages = [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Yes, ", "reasoning_content": "hm", "audio": None},
        ]
        await served.chat(messages=messages, continue_final_message=True)
        first, second, third = served.model.rendered
    parameters = {"type": "object", "properties": {}}
    assert first["tools"] == [
        {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}},
        {"type": "function", "function": {"name": "find", "parameters": parameters}},
    ]
    assert first["arguments"] == {"reasoning_effort": "low"}
    assert (second["tools"], second["arguments"]) == (None, {"enable_thinking": False})
    assert third["goes_on"]
    assert third["messages"][1] == {
        "role": "assistant",
        "content": "Yes, ",
        "reasoning_content": "hm",
    }


SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": SCHEMA}, "response_format.json_schema.schema"),
        ({"response_format": {"type": "regex", "regex": "a+"}}, "response_format.regex"),
        ({"response_format": {"type": "grammar", "grammar": "start: /a/"}}, "response_format.gram"),
        ({"tool_choice": "required", "tools": TOOLS}, "tool_choice"),
        ({"tool_choice": {"function": {"name": "find"}}, "tools": TOOLS}, "tool_choice"),
        ({"tools": [tool("look", strict=True)]}, "tools"),
        ({"tools": TOOLS, "response_format": SCHEMA}, "response_format.json_schema.schema"),
    ],
)
async def test_each_choice_is_held_to_what_is_asked_for(
    engine: Engine, members: Json, param: str
) -> None:
    async with inference(engine, reasoning_parser="qwen3", tool_call_parser="qwen3") as served:
        served.model.answer = tokens_of("x")
        await served.chat(n=2, **members)
        assert all(row.guide is not None for row in served.model.rows)
        held = [constraint for constraint, _ in served.model.compiled]
    assert len(held) == 2
    assert all(constraint and constraint.param.startswith(param) for constraint in held)
    grammar = held[0].grammar if held[0] else ""
    assert ("find" in grammar) == ("find" in json.dumps(members))


@pytest.mark.parametrize(
    "members",
    [{}, {"tools": TOOLS}, {"response_format": {"type": "text"}}, {"tool_choice": "auto"}],
)
async def test_an_answer_of_which_nothing_is_asked_is_free(engine: Engine, members: Json) -> None:
    async with inference(engine, reasoning_parser="qwen3", tool_call_parser="qwen3") as served:
        served.model.answer = tokens_of("x")
        await served.chat(**members)
        assert served.model.compiled == []


@pytest.mark.parametrize(
    ("ending", "opening"),
    [("", "<think>"), ("<think>\n", None), ("<think>\n\n</think>\n\n", ...)],
)
async def test_a_thinking_budget_goes_by_what_the_template_opened(
    engine: Engine, ending: str, opening: Any
) -> None:
    async with inference(engine, reasoning_parser="qwen3") as served:
        served.model.answer, served.model.ending = tokens_of("x"), ending
        await served.chat(thinking_budget_tokens=5)
        budgets = [budget for _, budget in served.model.compiled if budget]
    told = [(budget.tokens, budget.opening, budget.closing) for budget in budgets]
    assert told == ([] if opening is ... else [(5, opening, "</think>")])


@pytest.mark.parametrize(
    ("properties", "is_beside"),
    [({"a": {}}, False), ({"a" * 20_000: {}}, True), ({"a": {"enum": [1] * 20_000}}, True)],
    ids=["short", "names", "numbers"],
)
async def test_what_is_long_is_rendered_beside_the_event_loop(
    engine: Engine, properties: Json, is_beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    async with inference(engine, tool_call_parser="qwen3") as served:
        render = served.model.render_chat

        def watched(*arguments: Any, **told: Any) -> Any:
            threads.append(threading.get_ident())
            return render(*arguments, **told)

        served.model.answer = tokens_of("Yes.")
        monkeypatch.setattr(served.model, "render_chat", watched)
        await served.chat(tools=[tool(parameters={"properties": properties})])
    assert (threads != [threading.get_ident()]) is is_beside


def test_an_answer_may_be_sent_back_as_it_came() -> None:
    answer = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "tool_calls": [{"id": "call_1", **call("look", "{}")}],
    }
    CHAT.decode(chat_body(messages=[answer]))


class HeldCompiler:
    """Compiles when it may."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.gate = threading.Event()

    def __call__(self, *_: Any) -> ScriptedGuide:
        self.begun.release()
        assert self.gate.wait(60)
        return ScriptedGuide()


@pytest.fixture
def compiler() -> Iterator[HeldCompiler]:
    """Return a compiler that is let go at the end."""
    held = HeldCompiler()
    yield held
    held.gate.set()


async def test_what_is_compiled_for_those_who_left_still_takes_its_place(
    engine: Engine, compiler: HeldCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {"response_format": {"type": "json_object"}}
    async with inference(engine) as served:
        served.model.answer = tokens_of("x")
        monkeypatch.setattr(served.model, "compile", compiler)
        leaving = [asyncio.create_task(served.chat(**held)) for _ in range(MAX_COMPILING)]
        for _ in leaving:
            assert await asyncio.to_thread(compiler.begun.acquire, timeout=60)
        for one in leaving:
            one.cancel()
        await asyncio.wait(leaving)
        staying = asyncio.create_task(served.chat(**held))
        # It comes as far as it can, and so does a thread that would be begun for it.
        assert (await served.chat()).choices[0].message.content == "x"
        assert not compiler.begun.acquire(blocking=False)
        compiler.gate.set()
        assert (await staying).choices[0].message.content == "x"


async def test_a_model_that_goes_while_a_format_is_compiled_refuses_the_request(
    engine: Engine, compiler: HeldCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with inference(engine) as served:
        monkeypatch.setattr(served.model, "compile", compiler)
        asked = asyncio.create_task(served.chat(n=2, response_format={"type": "json_object"}))
        assert await asyncio.to_thread(compiler.begun.acquire, timeout=60)
        await served.loaded.resident.close(ModelIsLoading(), drain_s=60)
        compiler.gate.set()
        with pytest.raises(ModelIsLoading):
            await asked
        assert served.loaded.resident.waiting == 0


@pytest.mark.parametrize("members", [{}, {"response_format": {"type": "json_object"}}], ids=str)
async def test_whoever_leaves_a_stream_leaves_all_of_its_choices(
    engine: Engine, members: Json
) -> None:
    async with inference(engine) as served:
        served.model.step_s = 0.001
        current_call.set(Call("test"))
        request = CHAT.decode(chat_body(n=3, **members)).message
        context: Any = served.context
        stream = served.servicer.StreamChatCompletion(request, context)  # type: ignore[arg-type]
        async for chunk in stream:
            if chunk.choices[0].index == 2:
                break
        assert served.loaded.resident.active == 3
        await stream.aclose()  # type: ignore[attr-defined]
        await served.loaded.resident.until_idle()
        traffic = served.loaded.resident.traffic
    assert (traffic.cancelled_requests, traffic.completed_requests) == (3, 0)
