"""Chat requests that cannot be honoured: each is told which field is at fault."""

from typing import Any

import pytest

from bodega.engine.engine import Engine
from bodega.errors import InvalidRequest
from tests.engine.scripted import tokens_of
from tests.services.inference import Json, inference, tool

USER = {"role": "user", "content": "Hi"}
DONE = {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "look"}}]}


def json_schema(**members: Any) -> Json:
    return {"type": "json_schema", "json_schema": {"name": "s", **members}}


REFUSED: list[tuple[Json, str]] = [
    ({"tools": [tool(f"f{at}") for at in range(129)]}, "tools"),
    ({"tools": [{}]}, "tools[0].function.name"),
    ({"tools": [tool("look"), tool("a b")]}, "tools[1].function.name"),
    ({"tools": [tool("x" * 65)]}, "tools[0].function.name"),
    ({"tools": [tool("look"), tool("look")]}, "tools[1].function.name"),
    ({"tools": [tool(parameters={"type": "array"})]}, "tools[0].function.parameters.type"),
    (
        {"tools": [tool(parameters={"properties": []})]},
        "tools[0].function.parameters.properties",
    ),
    (
        {"tools": [tool(parameters={"description": "x" * 300_000})]},
        "tools[0].function.parameters",
    ),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": {"function": {"name": "look"}}}, "tool_choice"),
    ({"tools": [tool()], "tool_choice": {}}, "tool_choice.function.name"),
    (
        {"tools": [tool()], "tool_choice": {"function": {"name": "find"}}},
        "tool_choice.function.name",
    ),
    ({"response_format": {}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {}}},
        "response_format.json_schema.name",
    ),
    (
        {"response_format": json_schema(schema={"x": "x" * 300_000})},
        "response_format.json_schema.schema",
    ),
    ({"response_format": {**json_schema(), "type": "text"}}, "response_format.json_schema"),
    ({"response_format": {"type": "regex"}}, "response_format.regex"),
    ({"response_format": {"type": "regex", "regex": ""}}, "response_format.regex"),
    ({"response_format": {"type": "regex", "regex": "a" * 20_000}}, "response_format.regex"),
    ({"response_format": {"type": "regex", "regex": "a\\"}}, "response_format.regex"),
    ({"response_format": {"type": "grammar", "grammar": "a" * 70_000}}, "response_format.grammar"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"logprobs": False, "top_logprobs": 1}, "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"n": 0}, "n"),
    ({"n": 9}, "n"),
    ({"logit_bias": {"5": 100.5}}, "logit_bias.5"),
    ({"logit_bias": {"-1": 1}}, "logit_bias.-1"),
    ({"logit_bias": {"260": 1}}, "logit_bias.260"),
    ({"logit_bias": {str(at): 1 for at in range(1025)}}, "logit_bias"),
    ({"metadata": {str(at): "" for at in range(17)}}, "metadata"),
    ({"metadata": {"x" * 65: ""}}, "metadata"),
    ({"metadata": {"x": "x" * 513}}, "metadata"),
    ({"thinking_budget_tokens": -1}, "thinking_budget_tokens"),
    ({"continue_final_message": True}, "continue_final_message"),
    ({"messages": [USER, DONE], "continue_final_message": True}, "continue_final_message"),
    ({"messages": [USER, {"role": "tool", "content": "x"}]}, "messages[1].tool_call_id"),
    ({"messages": [{**USER, "reasoning_content": "x"}]}, "messages[0].reasoning_content"),
]


@pytest.mark.parametrize(("members", "param"), REFUSED, ids=lambda value: str(value)[:60])
async def test_what_cannot_be_honoured_is_refused_with_its_field(
    engine: Engine, members: Json, param: str
) -> None:
    async with inference(engine, reasoning_parser="qwen3", tool_call_parser="qwen3") as served:
        with pytest.raises(InvalidRequest) as caught:
            await served.chat(**members)
    assert caught.value.param == param
    assert caught.value.message.endswith(".")


NEED_PARSERS: list[tuple[Json, str]] = [
    ({"tools": [tool()], "tool_choice": "required"}, "tool_choice"),
    ({"tools": [tool()], "tool_choice": {"function": {"name": "look"}}}, "tool_choice"),
    ({"tools": [tool("find"), tool(strict=True)]}, "tools[1].function.strict"),
    ({"thinking_budget_tokens": 5}, "thinking_budget_tokens"),
]


@pytest.mark.parametrize(("members", "param"), NEED_PARSERS)
async def test_what_needs_a_parser_is_refused_without_one(
    engine: Engine, members: Json, param: str
) -> None:
    async with inference(engine) as served:
        with pytest.raises(InvalidRequest, match="parser") as caught:
            await served.chat(**members)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "members",
    [
        {"tool_choice": "none"},
        {"tool_choice": "auto", "parallel_tool_calls": True},
        {"tools": [tool("a.b-C_9", description="d", parameters={})]},
        {"tools": [tool(strict=True)], "tool_choice": "none"},
        {"top_logprobs": 0},
        {"logit_bias": {"259": -100}, "metadata": {"a": "b"}},
        {"reasoning_effort": "xhigh"},
        {"messages": [USER, DONE, {"role": "tool", "content": "x", "tool_call_id": "a"}]},
    ],
)
async def test_what_asks_for_nothing_that_cannot_be_is_taken(engine: Engine, members: Json) -> None:
    async with inference(engine) as served:
        served.model.answer = tokens_of("Yes.")
        answer = await served.chat(**members)
    assert answer.choices[0].message.content == "Yes."
