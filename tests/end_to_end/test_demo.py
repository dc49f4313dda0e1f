"""The demo: a real model, fetched, imported, served, and asked on both planes."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.grpc_client import ReflectionClient, chat_json
from tests.end_to_end.server import Server, serve
from tests.models.demo import demo_home

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
ANSWER = "The capital of France is Paris."

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
