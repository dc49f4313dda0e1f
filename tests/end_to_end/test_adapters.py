"""A model is loaded with adapters: it answers otherwise, and knows no prefixes of before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.refusals import refusal
from tests.end_to_end.server import Json, Server, serve
from tests.models import TINY_CHAT, TRANSCRIPTS
from tests.models.adapters import ADAPTED_ANSWER, QUESTION, train_adapter

OWN_ANSWER = next(one.answer for one in TRANSCRIPTS if one.messages[-1]["content"] == QUESTION)
LONG = next(list(one.messages) for one in TRANSCRIPTS if one.name == "ferry")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an adapter by which the model answers otherwise."""
    folder = tmp_path_factory.mktemp("adapters") / "parrot"
    train_adapter(folder)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, adapter: Path) -> Iterator[Server]:
    """Return a server whose model has an adapter from the start."""
    arguments = ("--model", str(TINY_CHAT), "--lora", f"{adapter}=1.0")
    with serve(*arguments, home=tmp_path_factory.mktemp("home")) as running:
        yield running
        assert running.stop() == 0


def load(server: Server, **fields: object) -> Json:
    answer = server.post("/v1/admin/load-model", {"model_path": str(TINY_CHAT), **fields})
    assert answer.status_code == 200, answer.text
    info: Json = server.get("/v1/admin/current-model").json()["model_info"]
    return info


def ask(server: Server, text: str = QUESTION) -> str:
    answer = server.chat(messages=[{"role": "user", "content": text}]).json()
    content: str = answer["choices"][0]["message"]["content"]
    return content


def cached(server: Server) -> int:
    usage = server.chat(messages=LONG, max_tokens=1).json()["usage"]
    tokens: int = usage["prompt_tokens_details"]["cached_tokens"]
    return tokens


def test_an_adapter_changes_the_answers_by_its_factor(server: Server, adapter: Path) -> None:
    info = server.get("/v1/admin/current-model").json()["model_info"]
    assert (info["lora_paths"], info["lora_scales"]) == ([str(adapter)], [1.0])
    assert ask(server) == ADAPTED_ANSWER
    info = load(server, lora_paths=[str(adapter), str(adapter)], lora_scales=[0.25, 0.75])
    assert info["lora_scales"] == [0.25, 0.75]
    assert ask(server) == ADAPTED_ANSWER
    assert load(server, lora_paths=[str(adapter)], lora_scales=[0])["lora_scales"] == [0]
    assert ask(server) == OWN_ANSWER
    assert load(server)["lora_paths"] == []
    assert ask(server) == OWN_ANSWER


def test_prefixes_of_the_model_without_its_adapter_are_not_used_with_it(
    server: Server, adapter: Path
) -> None:
    load(server)
    assert cached(server) == 0
    assert cached(server) > 0
    load(server, lora_paths=[str(adapter)])
    assert cached(server) == 0
    assert cached(server) > 0


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"lora_paths": ["/no/such"]}, 400, "invalid_adapter", "lora_paths"),
        ({"lora_paths": [str(TINY_CHAT)]}, 400, "invalid_adapter", "lora_paths"),
        ({"lora_paths": ["a"], "lora_scales": [1, 2]}, 400, "invalid_value", "lora_scales"),
        ({"lora_scales": [1]}, 400, "invalid_value", "lora_scales"),
        ({"lora_paths": ["a"], "lora_scales": [11]}, 400, "invalid_value", "lora_scales"),
        ({"lora_paths": ["a"] * 9}, 400, "invalid_value", "lora_paths"),
        ({"lora_paths": [""]}, 400, "invalid_value", "lora_paths"),
    ],
)
def test_what_cannot_be_applied_is_refused_and_the_model_stays(
    server: Server, fields: Json, status: int, code: str, param: str
) -> None:
    before = server.loaded_model()
    answer = server.post("/v1/admin/load-model", {"model_path": str(TINY_CHAT), **fields})
    refusal(answer, status, code, param)
    assert server.loaded_model() == before
