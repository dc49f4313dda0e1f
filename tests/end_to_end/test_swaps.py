"""Models come into memory and go again: watched, by themselves, and a hundred times."""

import json
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from bodega_api.v1 import admin_pb2, admin_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.end_to_end.damaged_models import changed
from tests.end_to_end.footprint import Footprints, rise
from tests.end_to_end.refusals import refusal
from tests.end_to_end.requests_in_flight import HELLO, answers, endless
from tests.end_to_end.server import Json, Server, serve
from tests.end_to_end.waiting import wait_until
from tests.gguf.tiny_models import tiny_model
from tests.hub.cache import add_model
from tests.models import TINY_CHAT, family_model, files_of

MIB = 1024 * 1024
SWAPS = 100
INVALID = health_pb2.HealthCheckResponse.NOT_SERVING
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture(scope="module")
def footprints(tmp_path_factory: pytest.TempPathFactory) -> Footprints:
    return Footprints(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, footprints: Footprints) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    add_model(home / "huggingface" / "hub", "tiny/chat", files_of(TINY_CHAT))
    with serve("--auto-load", home=home, env=footprints.environment) as running:
        yield running
        assert running.stop() == 0


def load(server: Server, path: Path | str = TINY_CHAT, **fields: object) -> Json:
    answer = server.post("/v1/admin/load-model", {"model_path": str(path), **fields})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def states(lines: Iterator[bytes]) -> Iterator[Json]:
    """Return the events of a stream as they come."""
    for line in lines:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def until(changes: Iterator[Json], status: str) -> list[Json]:
    """Return changes up to the one to a status."""
    told = [next(changes)]
    while told[-1]["model_status"] != status:
        told.append(next(changes))
    return told


def test_changes_of_the_model_are_watched(server: Server) -> None:
    server.post("/v1/admin/unload-model")
    with (
        requests.get(f"{server.http}/v1/admin/watch-model", stream=True, timeout=60) as watching,
        server.channel() as channel,
    ):
        changes = states(watching.iter_lines(chunk_size=1))
        rpc = admin_pb2_grpc.AdminStub(channel).WatchModel(
            admin_pb2.WatchModelRequest(), timeout=60
        )
        health = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service="bodega.v1.Inference"), timeout=60
        )
        assert next(changes) == {
            "model_status": "uninitialized",
            "model_id": None,
            "status": "unhealthy",
        }
        assert next(rpc).model_status == admin_pb2.MODEL_STATUS_UNINITIALIZED
        assert next(health).status == INVALID
        load(server)
        loading, *_, loaded = until(changes, "initialized")
        assert loading["model_status"] == "loading"
        assert loaded == {
            "model_status": "initialized",
            "model_id": "tiny-chat",
            "status": "ok",
        }
        while (change := next(rpc)).model_status != admin_pb2.MODEL_STATUS_INITIALIZED:
            pass
        assert (change.model_id, change.status) == ("tiny-chat", admin_pb2.HEALTH_STATUS_OK)
        assert next(health).status == SERVING
        server.post("/v1/admin/unload-model")
        assert until(changes, "uninitialized")[0]["model_status"] == "unloading"
        assert next(health).status == INVALID


def test_a_model_that_nobody_asks_is_unloaded_after_its_keep_alive(server: Server) -> None:
    load(server, keep_alive=1)
    assert server.get("/v1/admin/current-model").json()["model_info"]["keep_alive"] == 1
    assert answers(server)
    wait_until(lambda: server.get("/health").json()["model_status"] == "uninitialized")
    assert not server.get("/v1/admin/current-model").json()["loaded"]


def test_a_request_loads_the_cached_model_that_it_names(server: Server) -> None:
    load(server, model_id="another")
    answer = server.chat(model="tiny/chat", messages=list(HELLO.messages))
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == HELLO.answer
    assert server.get("/health").json()["model_id"] == "tiny/chat"
    refusal(server.chat(model="tiny/none", messages=[]), 404, "model_not_found", "model")
    # What a request names is an id, never a folder of this machine.
    refusal(server.chat(model=str(TINY_CHAT), messages=[]), 404, "model_not_found", "model")


@pytest.mark.parametrize("name", ["alias", "current", "tiny/chat"])
def test_a_loaded_model_is_not_deleted_by_any_of_its_names(server: Server, name: str) -> None:
    load(server, "tiny/chat", model_id="alias")
    answer = requests.delete(f"{server.http}/v1/models/{name}", timeout=60)
    refusal(answer, 409, "model_in_use", "model")
    assert answers(server)


def test_an_unload_that_aborts_does_not_wait(server: Server) -> None:
    load(server)
    with endless(server) as lines:
        next(lines)
        unloaded = server.post("/v1/admin/unload-model", {"abort": True})
        assert unloaded.json() == {"status": "unloaded", "model_id": "tiny-chat"}
        *_, last = states(lines)
    assert last["error"]["code"] == "model_unloaded"


def test_a_model_larger_than_the_memory_is_refused_before_it_is_read(
    server: Server, tmp_path: Path
) -> None:
    load(server)
    header = {"model.embed_tokens.weight": {"dtype": "U8", "shape": [1 << 40]}}
    header["model.embed_tokens.weight"]["data_offsets"] = [0, 1 << 40]
    text = json.dumps(header).encode()
    folder = changed(tmp_path, "model.safetensors", struct.pack("<Q", len(text)) + text)
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(8 + len(text) + (1 << 40))
    answer = server.post("/v1/admin/load-model", {"model_path": str(folder)})
    message = refusal(answer, 503, "insufficient_memory", "model_path")
    assert str((1 << 40) + 8 + len(text)) in message
    assert answers(server)


def test_a_gguf_file_is_imported_loaded_and_deleted(server: Server, tmp_path: Path) -> None:
    file = tiny_model("llama").write(tmp_path / "Tiny-Llama.gguf")
    imported = server.post("/v1/admin/import-model", {"path": str(file)})
    assert imported.status_code == 200, imported.text
    answer = imported.json()
    assert (answer["status"], answer["model_id"]) == ("imported", "Tiny-Llama")
    assert Path(answer["local_path"], "config.json").is_file()
    again = server.post("/v1/admin/import-model", {"path": str(file)})
    refusal(again, 400, "invalid_value", "model_id")
    assert load(server, "Tiny-Llama")["model_id"] == "Tiny-Llama"
    chat = server.chat(messages=[{"role": "user", "content": "a"}], max_tokens=4)
    assert chat.status_code == 200, chat.text
    deleting = f"{server.http}/v1/models/Tiny-Llama"
    refusal(requests.delete(deleting, timeout=60), 409, "model_in_use", "model")
    server.post("/v1/admin/unload-model")
    assert requests.delete(deleting, timeout=60).json()["deleted"]
    assert not Path(answer["local_path"]).exists()


def test_what_cannot_be_imported_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + b"\xff" * 100)
    (tmp_path / "bad.bin").write_bytes(b"")

    def ask(**fields: object) -> requests.Response:
        return server.post("/v1/admin/import-model", dict(fields))

    refusal(ask(), 400, "missing_parameter", "path")
    refusal(ask(path=str(tmp_path / "none.gguf")), 400, "invalid_value", "path")
    refusal(ask(path=str(tmp_path / "bad.bin")), 400, "invalid_value", "path")
    refusal(
        ask(path=str(tmp_path / "bad.gguf"), model_id="../up"), 400, "invalid_value", "model_id"
    )
    assert ask(path=str(tmp_path / "bad.gguf")).json()["error"]["code"] in (
        "invalid_model",
        "unsupported_model",
    )


def test_a_hundred_swaps_under_traffic_leave_nothing_behind(
    server: Server, footprints: Footprints
) -> None:
    other = family_model("qwen3_moe")
    stop = threading.Event()
    told: Counter[int] = Counter()

    def ask() -> None:
        while not stop.is_set():
            answer = server.chat(model="ours", messages=list(HELLO.messages))
            told[answer.status_code] += 1
            if answer.status_code == 200:
                assert answer.headers["Bodega-Model"] == "ours"
                assert answer.json()["choices"][0]["message"]["content"] == HELLO.answer

    memory, first = [], None
    with ThreadPoolExecutor(4) as threads:
        asking = threads.submit(ask)
        for swap in range(SWAPS):
            name, path = ("ours", TINY_CHAT) if swap % 2 else ("another", other)
            loads = [threads.submit(load, server, path, model_id=name) for _ in range(2)]
            assert {one.result()["model_id"] for one in loads} == {name}
            if name == "ours":
                before = told[200]
                wait_until(lambda least=before: asking.done() or told[200] > least)
            if swap % 10 == 9:
                footprint = footprints.of(server)["core"]
                first = first or footprint
                assert footprint.is_within(first, spare=8)
                memory.append(footprint.memory_bytes)
        stop.set()
        asking.result()
    assert told.keys() <= {200, 404, 503}
    # The first swaps fill what MLX and the allocator keep for the next.
    assert rise(memory[2:]) < 24 * MIB
