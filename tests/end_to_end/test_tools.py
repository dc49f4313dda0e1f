"""Tools: calls told apart, whole and streamed, sent back, and forced."""

import json
from typing import Any

import pytest
from openai import pydantic_function_tool
from pydantic import BaseModel

from tests.end_to_end.both_ways import ask, refused
from tests.end_to_end.server import Json, Server
from tests.models import TRANSCRIPTS

BY_NAME = {one.name: one for one in TRANSCRIPTS}
ONE, TWO, RESULT = (BY_NAME[name] for name in ("tool_call", "two_tool_calls", "tool_result"))
TOOLS = list(ONE.tools)


def call(city: str) -> Json:
    return {
        "type": "function",
        "function": {"name": "get_weather", "arguments": json.dumps({"city": city})},
    }


class GetWeather(BaseModel):
    """Tells the weather of a city."""

    city: str


def test_a_call_is_told_apart_both_ways(server: Server) -> None:
    (choice,) = ask(server, messages=list(ONE.messages), tools=TOOLS)["choices"]
    assert choice["finish_reason"] == "tool_calls"
    message = {"role": "assistant", "content": None, "tool_calls": [call("Oslo")]}
    assert choice["message"] == message


def test_parallel_calls_keep_their_order_and_may_be_turned_off(server: Server) -> None:
    messages = list(TWO.messages)
    (choice,) = ask(server, messages=messages, tools=TOOLS)["choices"]
    assert choice["message"]["content"] == "I will look up both."
    assert choice["message"]["tool_calls"] == [call("Lima"), call("Kyoto")]
    (choice,) = ask(server, messages=messages, tools=TOOLS, parallel_tool_calls=False)["choices"]
    assert choice["message"]["tool_calls"] == [call("Lima")]
    assert choice["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("fields", [{"tool_choice": "none"}, {"max_tokens": 12}], ids=str)
def test_a_call_that_is_not_wanted_or_not_whole_is_none(server: Server, fields: Json) -> None:
    body = {"model": "current", "messages": list(ONE.messages), "tools": TOOLS, **fields}
    choice = server.chat(**body).json()["choices"][0]
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == ("length" if "max_tokens" in fields else "stop")


def test_the_result_of_a_call_goes_back_in_as_the_client_has_it(server: Server) -> None:
    client: Any = server.openai().chat.completions
    messages: list[Any] = list(ONE.messages)
    answer = client.create(model="current", messages=messages, tools=TOOLS, temperature=0)
    message = answer.choices[0].message
    result = RESULT.messages[-1]["content"]
    messages += [
        message,
        {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": result},
    ]
    answer = client.create(model="current", messages=messages, tools=TOOLS, temperature=0)
    assert answer.choices[0].message.content == RESULT.answer
    # And as it is dumped, with every null.
    messages[1] = message.model_dump()
    again = client.create(model="current", messages=messages, tools=TOOLS, temperature=0)
    assert again.choices[0].message.content == RESULT.answer


def test_the_clients_stream_helper_tells_calls_as_they_grow(server: Server) -> None:
    client: Any = server.openai().chat.completions
    with client.stream(
        model="current", messages=list(TWO.messages), tools=TOOLS, temperature=0
    ) as stream:
        events = list(stream)
        final = stream.get_final_completion().choices[0]
    done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    assert [json.loads(event.arguments) for event in done] == [{"city": "Lima"}, {"city": "Kyoto"}]
    assert [one.function.arguments for one in final.message.tool_calls] == [
        call(city)["function"]["arguments"] for city in ("Lima", "Kyoto")
    ]
    assert final.finish_reason == "tool_calls"
    deltas = [event for event in events if event.type == "tool_calls.function.arguments.delta"]
    assert len(deltas) > 2


def test_a_strict_tool_is_parsed_by_the_client(server: Server) -> None:
    tool: Any = pydantic_function_tool(GetWeather, name="get_weather")
    client: Any = server.openai().chat.completions
    answer = client.parse(
        model="current", messages=list(ONE.messages), tools=[tool], temperature=0, max_tokens=100
    )
    for one in answer.choices[0].message.tool_calls or []:
        assert isinstance(one.function.parsed_arguments, GetWeather)


OBJECT = {"type": "json_object"}
UNLIKELY = {
    "type": "function",
    "function": {
        "name": "paint",
        "parameters": {
            "type": "object",
            "properties": {"color": {"enum": ["red", "green"]}, "coats": {"enum": [1, 2]}},
            "required": ["color", "coats"],
            "additionalProperties": False,
        },
    },
}


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "paint"}}], ids=str
)
def test_a_forced_call_follows_the_tools_schema(server: Server, choice: Any) -> None:
    tools = [UNLIKELY] if choice == "required" else [UNLIKELY, *TOOLS]
    hello = list(BY_NAME["hello"].messages)
    told = ask(server, messages=hello, tools=tools, tool_choice=choice, parallel_tool_calls=False)
    (answer,) = told["choices"]
    (made,) = answer["message"]["tool_calls"]
    assert made["function"]["name"] == "paint"
    arguments = json.loads(made["function"]["arguments"])
    assert arguments["color"] in ("red", "green")
    assert arguments["coats"] in (1, 2)
    assert answer["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("more", [{}, {"tool_choice": "required"}, {"response_format": OBJECT}])
def test_a_schema_that_calls_cannot_be_held_to_is_refused_with_its_tool(
    server: Server, more: Json
) -> None:
    wrong = {"type": "object", "properties": {"at": {"type": "strin"}}}
    function = {"name": "look", "parameters": wrong, "strict": True}
    tools = [*TOOLS, {"type": "function", "function": function}]
    message = refused(server, messages=list(ONE.messages), tools=tools, **more)
    assert message["param"] == "tools[1].function.parameters"
    assert "strin, at 'properties.at'" in message["message"]
