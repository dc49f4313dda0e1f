"""Loading, unloading and replacing a model while people use it."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.end_to_end.grpc_client import ReflectionClient
from tests.end_to_end.requests_in_flight import asked, endless, idle, posted
from tests.end_to_end.server import Json, Server, serve
from tests.end_to_end.waiting import wait_until
from tests.models import TINY_CHAT, TRANSCRIPTS, family_model

HELLO = next(one for one in TRANSCRIPTS if one.name == "hello")
NO_MODEL = {"status": "unhealthy", "model_id": None, "model_status": "uninitialized"}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server without a model."""
    with serve(home=tmp_path_factory.mktemp("home")) as running:
        yield running
        assert running.stop() == 0


@pytest.fixture
def server(empty: Server) -> Iterator[Server]:
    """Return a server with the tiny chat model, which is unloaded afterwards."""
    load(empty)
    yield empty
    empty.post("/v1/admin/unload-model")


def load(server: Server, path: Path = TINY_CHAT, **fields: object) -> Json:
    """Load a model and return the answer."""
    answer = server.post("/v1/admin/load-model", {"model_path": str(path), **fields})
    assert answer.status_code == 200, answer.text
    loaded: Json = answer.json()
    return loaded


def test_without_a_model_chats_are_told_how_to_load_one(empty: Server) -> None:
    answer = empty.chat(messages=list(HELLO.messages))
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "no_model_loaded"
    assert "/v1/admin/load-model" in answer.json()["error"]["message"]
    assert "Retry-After" not in answer.headers
    assert answer.headers["x-should-retry"] == "false"
    assert empty.get("/health").status_code == 503
    assert empty.get("/health").json() == NO_MODEL
    assert empty.get("/v1/admin/current-model").json() == {"loaded": False, "model_info": None}
    assert empty.stats()["max_queue_size"] == 0
    assert empty.get("/v1/models").json() == {"object": "list", "data": []}


def test_unloading_nothing_is_no_error(empty: Server) -> None:
    answer = empty.post("/v1/admin/unload-model")
    assert answer.status_code == 200
    assert answer.json() == {"status": "unloaded", "model_id": None}


def test_a_load_answers_with_what_is_in_force(empty: Server) -> None:
    loaded = load(empty, model_id="mine", context_length=2000, max_concurrency=3, queue_size=7)
    assert loaded.pop("load_seconds") > 0
    assert loaded == {
        "status": "loaded",
        "model_id": "mine",
        "model_path": str(TINY_CHAT),
        "model_type": "lm",
        "context_length": 2000,
        "warnings": [],
    }
    info = empty.get("/v1/admin/current-model").json()["model_info"]
    assert info["model_path"] == str(TINY_CHAT)
    assert info["max_concurrency"] == 3
    assert info["queue_size"] == 7
    assert info["queue_timeout"] == 300
    assert info["architecture"] == "qwen3"
    assert info["weight_bytes"] > 100_000
    health = empty.get("/health")
    assert health.status_code == 200
    assert health.json() == {"status": "ok", "model_id": "mine", "model_status": "initialized"}
    assert empty.stats()["max_concurrency"] == 3
    for name in ("mine", "current", str(TINY_CHAT)):
        assert empty.chat(model=name, messages=list(HELLO.messages)).json()["model"] == name
    (listed,) = empty.get("/v1/models").json()["data"]
    assert listed["id"] == "mine"
    assert listed["loaded"] is True
    assert listed["is_complete"] is True
    unloaded = empty.post("/v1/admin/unload-model")
    assert unloaded.json() == {"status": "unloaded", "model_id": "mine"}
    assert empty.get("/health").json() == NO_MODEL


def test_a_context_beyond_the_models_own_is_clamped_and_said(empty: Server) -> None:
    loaded = load(empty, context_length=50_000)
    assert loaded["context_length"] == 4096
    assert "4096" in loaded["warnings"][0]
    info = empty.get("/v1/admin/current-model").json()["model_info"]
    assert info["warnings"] == loaded["warnings"]


def test_the_context_asked_for_bounds_prompt_and_answer(empty: Server) -> None:
    load(empty, context_length=64)
    answer = empty.chat(messages=[{"role": "user", "content": "word " * 100}])
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert error["param"] == "messages"
    assert "64" in error["message"]
    long = empty.chat(messages=[{"role": "user", "content": "Tell me a long story."}]).json()
    assert long["choices"][0]["finish_reason"] == "length"
    assert long["usage"]["total_tokens"] == 64


def test_running_answers_end_well_when_their_model_is_replaced(server: Server) -> None:
    with endless(server, max_tokens=3000) as lines:
        next(lines)
        answers: list[requests.Response] = []
        loading = threading.Thread(
            target=lambda: answers.append(
                server.post("/v1/admin/load-model", {"model_path": str(TINY_CHAT), "model_id": "b"})
            )
        )
        loading.start()
        wait_until(lambda: server.get("/health").json()["model_status"] == "loading")
        refused = server.chat(messages=list(HELLO.messages))
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "model_loading"
        assert int(refused.headers["Retry-After"]) >= 1
        assert server.get("/health").status_code == 503
        text = list(lines)
    loading.join(60)
    assert b"data: [DONE]" in text
    assert answers[0].json()["model_id"] == "b"
    assert server.chat(messages=list(HELLO.messages)).headers["Bodega-Model"] == "b"


def test_those_that_wait_are_told_that_a_model_is_loading(server: Server) -> None:
    waiting = {"messages": list(HELLO.messages)}
    with endless(server, max_tokens=3000) as lines, asked(server, waiting) as waiter:
        next(lines)
        wait_until(lambda: server.stats()["queue_size"] == 1)
        loading = threading.Thread(target=load, args=(server,))
        loading.start()
        answer = waiter.recv(65536)
    assert b" 503 " in answer.split(b"\r\n")[0]
    assert b"model_loading" in answer
    loading.join(60)
    assert server.chat(messages=list(HELLO.messages)).status_code == 200


def test_a_load_goes_on_when_its_caller_leaves(server: Server) -> None:
    with endless(server) as lines:
        next(lines)
        request = {"model_path": str(TINY_CHAT), "model_id": "left"}
        with posted(server, "/v1/admin/load-model", request):
            wait_until(lambda: server.get("/health").json()["model_status"] == "loading")
    wait_until(lambda: server.get("/health").json()["model_id"] == "left")
    assert server.chat(messages=list(HELLO.messages)).status_code == 200


def test_loads_at_once_happen_one_after_the_other(server: Server) -> None:
    ids = [f"model-{at}" for at in range(4)]
    answers: list[Json] = []
    threads = [
        threading.Thread(target=lambda name=name: answers.append(load(server, model_id=name)))
        for name in ids
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answer["model_id"] for answer in answers) == ids
    assert server.get("/health").json()["model_id"] == answers[-1]["model_id"]


def test_replacing_models_under_traffic_never_gives_a_wrong_answer(server: Server) -> None:
    stop = threading.Event()
    answers: list[requests.Response] = []

    def ask() -> None:
        while not stop.is_set():
            answers.append(server.chat(messages=list(HELLO.messages)))

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for _ in range(4):
        load(server, max_concurrency=4)
        server.post("/v1/admin/unload-model")
    load(server, max_concurrency=4)
    wait_until(lambda: server.stats()["completed_requests"] > 4)
    stop.set()
    for asker in askers:
        asker.join(60)
    for answer in answers:
        if answer.status_code == 200:
            assert answer.json()["choices"][0]["message"]["content"] == HELLO.answer
        else:
            assert answer.json()["error"]["code"] in ("model_loading", "no_model_loaded")
    assert answers[-1].status_code == 200


def test_a_load_that_cannot_be_leaves_the_old_model_serving(server: Server, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (broken / name).write_bytes((TINY_CHAT / name).read_bytes())
    (broken / "model.safetensors").write_bytes(b"\xff" * 64)
    refused = server.post("/v1/admin/load-model", {"model_path": str(broken)})
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "invalid_model"
    assert server.chat(messages=list(HELLO.messages)).status_code == 200


def copied(folder: Path, **changes: object) -> Path:
    """Return a copy of the tiny chat model with another configuration."""
    folder.mkdir()
    for file in TINY_CHAT.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_weights_of_another_shape_are_refused_before_the_old_model_goes(
    server: Server, tmp_path: Path
) -> None:
    other = copied(tmp_path / "other", hidden_size=32)
    refused = server.post("/v1/admin/load-model", {"model_path": str(other)})
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "invalid_model"
    assert server.chat(messages=list(HELLO.messages)).status_code == 200


BROKEN_CODE = """
from mlx_lm.models.qwen3 import Model as Qwen3, ModelArgs

class Model(Qwen3):
    def __call__(self, *arguments, **named):
        raise RuntimeError("a secret that must not be told")
"""


def test_a_load_that_fails_half_way_leaves_no_model_and_a_healthy_server(tmp_path: Path) -> None:
    broken = copied(tmp_path / "broken", model_file="code.py")
    (broken / "code.py").write_text(BROKEN_CODE)
    with serve("--model", str(TINY_CHAT), "--allow-remote-code", home=tmp_path) as server:
        request = {"model_path": str(broken), "trust_remote_code": True}
        failed = server.post("/v1/admin/load-model", request)
        assert failed.status_code == 500
        assert failed.json()["error"]["code"] == "load_failed"
        assert "secret" not in failed.text
        assert server.get("/health").json() == NO_MODEL
        load(server)
        assert server.chat(messages=list(HELLO.messages)).status_code == 200
        assert server.stop() == 0


def test_grpc_loads_and_unloads_too(empty: Server) -> None:
    with empty.channel() as channel:
        client = ReflectionClient(channel)
        loaded = client.unary("Admin.LoadModel", {"model_path": str(TINY_CHAT)})
        assert loaded["model_id"] == "tiny-chat"
        assert client.unary("Admin.GetHealth", {})["status"] == "HEALTH_STATUS_OK"
        assert client.unary("Models.ListModels", {})["data"][0]["id"] == "tiny-chat"
        assert client.unary("Models.GetModel", {"model": "current"})["id"] == "tiny-chat"
        assert client.unary("Admin.UnloadModel", {})["model_id"] == "tiny-chat"
        assert client.unary("Admin.GetCurrentModel", {}) == {"loaded": False}


def test_a_quantized_model_is_loaded_and_says_how_it_runs(empty: Server) -> None:
    loaded = load(empty, family_model("qwen3_mxfp4"))
    assert any("float32" in warning for warning in loaded["warnings"])
    assert empty.chat(messages=list(HELLO.messages), max_tokens=8).status_code == 200
    empty.post("/v1/admin/unload-model")


def test_a_template_of_the_callers_own_is_used(empty: Server, tmp_path: Path) -> None:
    template = tmp_path / "template.jinja"
    # Templates are tried before a load, and one that fails on everything is refused.
    raising = "{{ raise_exception('Mine: ' + messages[0].content) }}"
    template.write_text(f"{{% if messages[0].content == 'hm' %}}{raising}{{% endif %}}x")
    load(empty, chat_template_file=str(template))
    answer = empty.chat(messages=[{"role": "user", "content": "hm"}])
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "chat_template_error"
    assert "Mine: hm" in answer.json()["error"]["message"]
    empty.post("/v1/admin/unload-model")


def test_stopping_lets_running_answers_end(tmp_path: Path) -> None:
    with (
        serve("--model", str(TINY_CHAT), home=tmp_path) as running,
        endless(running, max_tokens=3000) as lines,
    ):
        next(lines)
        stopped: list[int] = []
        stopping = threading.Thread(target=lambda: stopped.append(running.stop()))
        stopping.start()
        text = list(lines)
        stopping.join(60)
        assert b"data: [DONE]" in text
        assert stopped == [0]


def test_the_server_is_idle_after_all_this(server: Server) -> None:
    assert idle(server)
