"""Answers held to a format: always within it, streamed or not, alone and among others."""

import asyncio
import json
import re
from enum import StrEnum
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from tests.end_to_end.both_ways import ask, refused
from tests.end_to_end.server import Json, Server
from tests.models import TRANSCRIPTS

BY_NAME = {one.name: one for one in TRANSCRIPTS}
HELLO, THINK = list(BY_NAME["hello"].messages), BY_NAME["think"]


class Color(StrEnum):
    """A color."""

    RED = "red"
    GREEN = "green"


class Wall(BaseModel):
    """A wall."""

    model_config = ConfigDict(extra="forbid")

    color: Color
    coats: int = Field(ge=1, le=3)
    is_dry: bool


SCHEMA = Wall.model_json_schema()
WALL: Json = {"type": "json_schema", "json_schema": {"name": "wall", "schema": SCHEMA}}
REGEX: Json = {"type": "regex", "regex": "[0-9]{3}-(north|south)"}
GRAMMAR: Json = {"type": "grammar", "grammar": 'start: "(" /[ab]{2}/ ")" | "()"'}


def content(told: Json) -> str:
    (choice,) = told["choices"]
    assert choice["finish_reason"] == "stop"
    text: str = choice["message"]["content"]
    return text


def test_json_follows_its_schema_both_ways(server: Server) -> None:
    told = ask(
        server, messages=HELLO, reasoning_effort="none", response_format=WALL, max_tokens=200
    )
    Wall.model_validate_json(content(told))


def test_a_json_object_is_one_or_is_cut(server: Server) -> None:
    asked: Json = {"response_format": {"type": "json_object"}, "max_tokens": 60}
    (choice,) = ask(server, messages=HELLO, reasoning_effort="none", **asked)["choices"]
    text = choice["message"]["content"]
    if choice["finish_reason"] == "stop":
        assert isinstance(json.loads(text), dict)
    else:
        assert choice["finish_reason"] == "length"
        assert text.startswith("{")


@pytest.mark.parametrize(
    ("form", "pattern"),
    [(REGEX, r"[0-9]{3}-(north|south)"), (GRAMMAR, r"\([ab]{2}\)|\(\)")],
    ids=["regex", "grammar"],
)
def test_text_matches_what_it_is_held_to(server: Server, form: Json, pattern: str) -> None:
    text = content(
        ask(server, messages=HELLO, reasoning_effort="none", response_format=form, max_tokens=50)
    )
    assert re.fullmatch(pattern, text)


def test_thinking_is_free_and_the_answer_held(server: Server) -> None:
    told = ask(server, messages=list(THINK.messages), response_format=REGEX, max_tokens=100)
    assert told["choices"][0]["message"]["reasoning_content"] == THINK.thinking
    assert re.fullmatch(REGEX["regex"], content(told))


def test_the_clients_parse_gives_the_model(server: Server) -> None:
    client: Any = server.openai().chat.completions
    asked: Json = {
        "model": "current",
        "messages": HELLO,
        "response_format": Wall,
        "temperature": 0,
        "max_tokens": 200,
        "reasoning_effort": "none",
    }
    answer = client.parse(**asked)
    assert isinstance(answer.choices[0].message.parsed, Wall)
    with client.stream(**asked) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.parsed == answer.choices[0].message.parsed


async def test_formats_hold_in_a_crowd(server: Server) -> None:
    async with server.async_openai() as client:
        asking: Any = client.chat.completions.create

        async def told(at: int, **fields: Any) -> str:
            answer = await asking(
                model="current",
                messages=HELLO,
                temperature=1,
                seed=at,
                max_tokens=200,
                reasoning_effort="none",
                extra_body=fields,
            )
            return answer.choices[0].message.content or ""

        forms = [{"response_format": form} for form in (WALL, REGEX, GRAMMAR)]
        answers = await asyncio.gather(
            *(told(at, **fields) for at, fields in enumerate([*forms, {}, *forms, {}]))
        )
    for at in (0, 4):
        Wall.model_validate_json(answers[at])
        assert re.fullmatch(REGEX["regex"], answers[at + 1])
        assert re.fullmatch(r"\([ab]{2}\)|\(\)", answers[at + 2])


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"type": "regex", "regex": "(a"}, "response_format.regex"),
        ({"type": "grammar", "grammar": "start: nothing"}, "response_format.grammar"),
        (
            {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "thing"}}},
            "response_format.json_schema.schema",
        ),
    ],
    ids=["regex", "grammar", "schema"],
)
def test_a_format_that_is_none_is_refused_with_its_place(
    server: Server, form: Json, param: str
) -> None:
    assert refused(server, messages=HELLO, response_format=form)["param"] == param
