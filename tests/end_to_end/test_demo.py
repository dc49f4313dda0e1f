"""The demo: a real model, fetched, imported, served, and asked on both planes."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.end_to_end.grpc_client import ReflectionClient, chat_json
from tests.end_to_end.server import Server, serve
from tests.models.demo import demo_home

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
ANSWER = "The capital of France is Paris."

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
FORMATS: list[dict[str, Any]] = [
    {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}},
    {"type": "regex", "regex": r"[12][0-9]{3}-[01][0-9]-[0-3][0-9]"},
    {"type": "grammar", "grammar": 'start: ("yes" | "no") ", " /[a-z]{2,8}/ "."'},
]

pytestmark = [pytest.mark.network, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server with the demo model."""
    environment = {"BODEGA_HOME": str(demo_home())}
    home = tmp_path_factory.mktemp("home")
    with serve("--model", "demo", home=home, env=environment) as running:
        yield running
        assert running.stop() == 0


def test_it_knows_the_capital_of_france_over_http(demo: Server) -> None:
    answer = demo.chat(messages=QUESTION).json()
    assert answer["choices"][0]["message"]["content"] == ANSWER
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_it_knows_it_over_grpc(demo: Server) -> None:
    with demo.channel() as channel:
        client = ReflectionClient(channel)
        answer = client.unary("Inference.CreateChatCompletion", chat_json(QUESTION))
    assert answer["choices"][0]["message"]["content"] == ANSWER


async def test_it_answers_many_at_once_as_it_answers_one(demo: Server) -> None:
    async with demo.async_openai() as client:
        create: Any = client.chat.completions.create

        async def ask() -> str:
            answer = await create(model="current", messages=QUESTION, temperature=0)
            return str(answer.choices[0].message.content)

        assert await asyncio.gather(*(ask() for _ in range(4))) == [ANSWER] * 4


def check(content: str, form: dict[str, Any]) -> None:
    """Hold an answer against its format."""
    if form["type"] == "json_schema":
        jsonschema.validate(json.loads(content), PERSON)
    elif form["type"] == "regex":
        assert re.fullmatch(form["regex"], content), content
    else:
        assert re.fullmatch(r"(yes|no), [a-z]{2,8}\.", content), content


async def test_its_answers_keep_to_their_formats_alone_and_among_others(demo: Server) -> None:
    async with demo.async_openai() as client:
        create: Any = client.chat.completions.create

        async def ask(form: dict[str, Any], *, stream: bool) -> None:
            answer = await create(
                model="current",
                messages=[{"role": "user", "content": "Who was Ada Lovelace?"}],
                temperature=0.7,
                seed=7,
                stream=stream,
                extra_body={"response_format": form},
            )
            if stream:
                pieces = [chunk.choices[0].delta.content or "" async for chunk in answer]
                check("".join(pieces), form)
            else:
                check(answer.choices[0].message.content, form)

        async def ask_freely() -> None:
            answer = await create(model="current", messages=QUESTION, temperature=0)
            assert answer.choices[0].message.content == ANSWER

        every = [(form, stream) for form in FORMATS for stream in (False, True)]
        for form, stream in every:
            await ask(form, stream=stream)
        together = [ask(form, stream=stream) for form, stream in every]
        await asyncio.gather(*together, ask_freely(), ask_freely())


def test_it_says_what_it_is_and_how_it_runs(demo: Server) -> None:
    info = demo.get("/v1/admin/current-model").json()["model_info"]
    assert info["model_path"] == "demo"
    assert info["model_id"] == "SmolLM2-135M-Instruct"
    assert info["architecture"] == "llama"
    (listed,) = demo.get("/v1/models").json()["data"]
    assert listed["id"] == "SmolLM2-135M-Instruct"


def test_it_cannot_be_loaded_where_it_was_never_fetched(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serve(home=tmp_path) as server:
        refused = server.post("/v1/admin/load-model", {"model_path": "demo"})
        assert refused.status_code == 404
        assert "--model demo" in refused.json()["error"]["message"]
        assert server.stop() == 0
