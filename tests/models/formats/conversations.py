"""What the models of all formats have learned to answer, whatever their format makes of it."""

import json
from dataclasses import dataclass
from typing import Any, Final

Message = dict[str, Any]
Call = tuple[str, dict[str, Any]]
"""A function's name and its arguments."""


def _tool(name: str, description: str, properties: dict[str, Any]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


WEATHER: Final = _tool("get_weather", "Tells the weather.", {"city": {"type": "string"}})
NOTE: Final = _tool(
    "save_note",
    "Keeps a note.",
    {
        "note": {
            "type": "object",
            "properties": {
                "title": {"type": "string"},
                "days": {"type": "array", "items": {"type": "integer"}},
            },
        },
        "pinned": {"type": "boolean"},
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a parsed answer is.

    Attributes:
        reasoning: the thinking; None for none at all.
        content: the text; None where there are calls alone.
        calls: the calls, in order.
    """

    reasoning: str | None = None
    content: str | None = None
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A conversation, and the reply to it.

    Attributes:
        name: a short name, for test ids.
        messages: the conversation in OpenAI's form.
        tools: the tools offered.
    """

    name: str
    messages: tuple[Message, ...]
    reply: Reply
    tools: tuple[dict[str, Any], ...] = ()


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant_call(call_id: str, name: str, arguments: dict[str, Any]) -> Message:
    """Return a message that calls a function, as clients send it back."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": call_id, "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


_OSLO: Final = _user("How is the weather in Oslo?")
_TWO: Final = (("get_weather", {"city": "Lima"}), ("get_weather", {"city": "Kyoto"}))


def exchanges(
    *, thinks: bool, always_thinks: bool, calls_in_parallel: bool, talks_before_calls: bool
) -> tuple[Exchange, ...]:
    """Return what a model is asked, and how it replies.

    Args:
        thinks: its format has thinking.
        always_thinks: every reply has some.
        calls_in_parallel: its format can make more than one call at a time.
        talks_before_calls: its format can have content beside calls.
    """
    usual = "Easy." if always_thinks else None
    found = [
        Exchange(
            name="plain",
            messages=(_user("Who are you?"),),
            reply=Reply(reasoning=usual, content="A very small model, made for tests."),
        ),
        Exchange(
            name="think",
            messages=(_user("What is 17 times 3?"),),
            reply=Reply(
                reasoning="10 times 3 is 30.\n7 times 3 is 21." if thinks else None,
                content="17 times 3 is 51.",
            ),
        ),
        Exchange(
            name="note",
            messages=(_user("Note my trip to Zürich."),),
            tools=(WEATHER, NOTE),
            reply=Reply(
                reasoning="A note keeps it." if thinks else None,
                calls=(
                    (
                        "save_note",
                        {"note": {"title": 'Zürich "⛰️"', "days": [1, 2]}, "pinned": True},
                    ),
                ),
            ),
        ),
        Exchange(
            name="oslo",
            messages=(_OSLO,),
            tools=(WEATHER,),
            reply=Reply(reasoning=usual, calls=(("get_weather", {"city": "Oslo"}),)),
        ),
        Exchange(
            name="result",
            messages=(
                _OSLO,
                assistant_call("call_1", "get_weather", {"city": "Oslo"}),
                {"role": "tool", "tool_call_id": "call_1", "content": '{"sky": "snow"}'},
            ),
            tools=(WEATHER,),
            reply=Reply(reasoning=usual, content="It is snowing in Oslo."),
        ),
    ]
    if calls_in_parallel:
        found.append(
            Exchange(
                name="two_calls",
                messages=(_user("Compare Lima and Kyoto."),),
                tools=(WEATHER,),
                reply=Reply(
                    reasoning=usual,
                    content="I will look up both." if talks_before_calls else None,
                    calls=_TWO,
                ),
            )
        )
    return tuple(found)
