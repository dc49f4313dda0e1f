"""Models come from the Hub and go again, over HTTP and gRPC, whatever their callers do."""

import contextlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest
import requests
from bodega_api.v1 import models_pb2, models_pb2_grpc

from tests.end_to_end.plain_http import exchange
from tests.end_to_end.refusals import refusal
from tests.end_to_end.requests_in_flight import answers, posted
from tests.end_to_end.server import Json, Server, serve
from tests.end_to_end.test_grpc import error_details
from tests.end_to_end.waiting import wait_until
from tests.hub.played_hub import PlayedHub
from tests.models import TINY_CHAT, files_of

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def hub() -> Iterator[PlayedHub]:
    with PlayedHub() as played:
        yield played


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def running(hub: PlayedHub, home: Path) -> Iterator[Server]:
    with serve(home=home, env=hub.environment(home / "hub")) as server:
        yield server
        assert server.stop() == 0


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    yield running
    running.post("/v1/admin/unload-model", {"abort": True})
    for model in running.get("/v1/models").json()["data"]:
        assert running_delete(running, model["id"]).status_code == 200


@pytest.fixture
def name(hub: PlayedHub, request: pytest.FixtureRequest) -> str:
    """Return the id of a model that the hub has and no other test uses."""
    model_id = f"tiny/{request.node.name.replace('_', '-')[:80]}"
    hub.add_model(model_id, files_of(TINY_CHAT))
    return model_id


def running_delete(server: Server, model_id: str) -> requests.Response:
    return requests.delete(f"{server.http}/v1/models/{model_id}", timeout=60)


def download(server: Server, model_id: str, **fields: object) -> requests.Response:
    return server.post("/v1/admin/download-model", {"model_path": model_id, **fields})


def events_of(response: requests.Response) -> list[Json]:
    """Return the events of a stream, without [DONE]."""
    lines = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def listed(server: Server, model_id: str) -> Json | None:
    found: Json | None = next(
        (one for one in server.get("/v1/models").json()["data"] if one["id"] == model_id), None
    )
    return found


def under_way(server: Server) -> list[str]:
    data = server.get("/v1/admin/downloads").json()["data"]
    return [one["model_path"] for one in data]


def unfinished_bytes(home: Path) -> int:
    """Return how much is on the disk of files that are being fetched."""
    total = 0
    for part in home.rglob("*.incomplete"):
        with contextlib.suppress(FileNotFoundError):  # finished meanwhile
            total += part.stat().st_size
    return total


def test_two_callers_share_one_download(hub: PlayedHub, server: Server, name: str) -> None:
    held = hub.faults.hold(WEIGHTS, at=1000)
    before = len(hub.fetched(WEIGHTS))
    with ThreadPoolExecutor() as callers:
        calls = [callers.submit(download, server, name) for _ in range(2)]
        assert held.reached.wait(60)
        wait_until(lambda: under_way(server) == [name])
        held.release.set()
        first, second = (call.result() for call in calls)
    assert first.status_code == second.status_code == 200
    assert first.json()["local_path"] == second.json()["local_path"]
    assert len(hub.fetched(WEIGHTS)) == before + 1
    assert under_way(server) == []


def test_a_caller_that_leaves_does_not_end_it(hub: PlayedHub, server: Server, name: str) -> None:
    held = hub.faults.hold(WEIGHTS, at=1000)
    with posted(server, "/v1/admin/download-model-stream", {"model_path": name}):
        assert held.reached.wait(60)
    (told,) = server.get("/v1/admin/downloads").json()["data"]
    assert told["model_path"] == name
    assert told["progress"]["status"] == "downloading"
    assert 0 <= told["progress"]["progress"] < 100
    held.release.set()
    wait_until(lambda: under_way(server) == [])
    known = listed(server, name)
    assert known is not None
    assert known["is_complete"]
    assert known["download_percentage"] == 100


def test_a_cancelled_download_is_gone_on_with(
    hub: PlayedHub, server: Server, home: Path, name: str
) -> None:
    held = hub.faults.hold(WEIGHTS, at=200_000)
    with ThreadPoolExecutor() as callers:
        call = callers.submit(server.post, "/v1/admin/download-model-stream", {"model_path": name})
        wait_until(lambda: unfinished_bytes(home) > len(files_of(TINY_CHAT)[WEIGHTS]) // 4)
        assert server.post("/v1/admin/cancel-download", {"model_path": name}).json() == {
            "status": "cancelled",
            "model_path": name,
        }
        stream = call.result()
        held.release.set()
    last = events_of(stream)[-1]
    assert last["status"] == "failed"
    assert last["error"]["code"] == "download_cancelled"
    assert "[DONE]" not in stream.text
    wait_until(lambda: under_way(server) == [])
    refusal(
        server.post("/v1/admin/cancel-download", {"model_path": name}),
        404,
        "download_not_found",
        "model_path",
    )
    assert download(server, name).status_code == 200
    begin = hub.fetched(WEIGHTS)[-1]
    assert begin is not None
    assert begin.startswith("bytes=")
    assert not begin.startswith("bytes=0-")


def test_progress_never_goes_back_and_ends_with_100(server: Server, name: str) -> None:
    stream = server.post("/v1/admin/download-model-stream", {"model_path": name})
    assert stream.status_code == 200
    assert stream.text.endswith("data: [DONE]\n\n")
    events = events_of(stream)
    shares = [event["progress"] for event in events]
    assert shares == sorted(shares)
    assert [event["progress"] for event in events if event["status"] == "completed"] == [100]
    last = events[-1]
    assert last["status"] == "completed"
    assert last["downloaded_files"] == last["total_files"] > 3
    assert last["downloaded_bytes"] == last["total_bytes"] > 0
    assert Path(last["local_path"], WEIGHTS).stat().st_size == len(files_of(TINY_CHAT)[WEIGHTS])


def test_a_failure_has_a_status_in_the_stream_too(
    hub: PlayedHub, server: Server, name: str
) -> None:
    hub.faults.damage(WEIGHTS, times=9)
    stream = server.post("/v1/admin/download-model-stream", {"model_path": name})
    hub.faults.damage(WEIGHTS, times=0)
    events = events_of(stream)
    assert all("status" in event for event in events)
    last = events[-1]
    assert last["status"] == "failed"
    assert last["message"] == last["error"]["message"]
    assert last["error"]["code"] == "download_damaged"
    assert "[DONE]" not in stream.text


def test_failures_have_their_own_errors(hub: PlayedHub, server: Server) -> None:
    hub.add_model("tiny/gated", files_of(TINY_CHAT), gated=True)
    hub.add_model("tiny/pickled", {"config.json": b"{}", "pytorch_model.bin": b"x"})
    assert "HF_TOKEN" in refusal(download(server, "tiny/gated"), 403, "gated_model", "model_path")
    refusal(download(server, "tiny/none"), 404, "repository_not_found", "model_path")
    refusal(download(server, "tiny/pickled"), 400, "unsupported_model", "model_path")
    refusal(download(server, "../etc"), 400, "invalid_value", "model_path")
    refusal(download(server, ""), 400, "missing_parameter", "model_path")
    with_code = download(server, "tiny/gated", trust_remote_code=True)
    refusal(with_code, 403, "remote_code_not_allowed", "trust_remote_code")
    stub = models_pb2_grpc.ModelsStub(server.channel())
    with pytest.raises(grpc.RpcError) as raised:
        stub.DownloadModel(models_pb2.DownloadModelRequest(model_path="tiny/none"))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    assert error_details(raised.value)[0].reason == "REPOSITORY_NOT_FOUND"


def test_grpc_downloads_and_deletes(server: Server, name: str) -> None:
    stub = models_pb2_grpc.ModelsStub(server.channel())
    request = models_pb2.DownloadModelRequest(model_path=name)
    told = list(stub.StreamDownloadModel(request))
    assert told[-1].status == models_pb2.DOWNLOAD_STATUS_COMPLETED
    assert told[-1].progress == 100
    deleted = stub.DeleteModel(models_pb2.DeleteModelRequest(model=name))
    assert deleted.freed_bytes >= told[-1].total_bytes
    assert not Path(told[-1].local_path).exists()


def test_a_load_downloads_while_the_loaded_model_answers(
    hub: PlayedHub, server: Server, name: str
) -> None:
    server.post("/v1/admin/load-model", {"model_path": str(TINY_CHAT)})
    held = hub.faults.hold(WEIGHTS, at=1000)
    with ThreadPoolExecutor() as callers:
        call = callers.submit(server.post, "/v1/admin/load-model-stream", {"model_path": name})
        assert held.reached.wait(60)
        assert answers(server)
        refusal(running_delete(server, name), 409, "model_in_use", "model")
        held.release.set()
        stream = call.result()
    events = events_of(stream)
    stages = list(dict.fromkeys(event["status"] for event in events))
    assert stages[0] == "resolving"
    assert stages[-1] == "ready"
    assert "downloading" in stages
    assert stream.text.endswith("data: [DONE]\n\n")
    assert events[-1]["loaded"]["model_id"] == name
    assert server.get("/health").json()["model_id"] == name
    refusal(running_delete(server, name), 409, "model_in_use", "model")
    assert answers(server)


def test_a_load_that_is_not_to_download_tells_how_to(server: Server, name: str) -> None:
    answer = server.post("/v1/admin/load-model", {"model_path": name, "download": False})
    assert f"bodega pull {name}" in refusal(answer, 404, "model_not_found", "model_path")


def test_what_the_hub_holds_is_compared(hub: PlayedHub, server: Server, name: str) -> None:
    assert download(server, name).status_code == 200

    def verified() -> Json:
        (one,) = server.get("/v1/models?verify_with_hub=true").json()["data"]
        assert one["id"] == name
        return dict(one)

    assert verified()["is_newest"]
    known = listed(server, name)
    assert known is not None
    assert "is_newest" not in known
    Path(known["local_path"], WEIGHTS).resolve().write_bytes(b"cut")
    assert not verified()["is_complete"]
    assert verified()["download_percentage"] < 100
    assert download(server, name).status_code == 200
    assert verified()["is_complete"]
    hub.add_model(name, {**files_of(TINY_CHAT), WEIGHTS: b"of another revision"})
    assert verified()["is_complete"]
    assert not verified()["is_newest"]


def test_a_part_of_a_newer_revision_leaves_the_whole_model_in_its_place(
    hub: PlayedHub, server: Server, name: str
) -> None:
    assert download(server, name).status_code == 200
    hub.add_model(name, {**files_of(TINY_CHAT), WEIGHTS: b"of another revision"})
    assert download(server, name, allow_patterns=["*.json"]).status_code == 200
    loaded = server.post("/v1/admin/load-model", {"model_path": name, "download": False})
    assert loaded.status_code == 200, loaded.text
    assert answers(server)


def test_a_model_is_told_of(server: Server, name: str) -> None:
    assert download(server, name).status_code == 200
    told = server.get(f"/v1/models/{name}").json()
    assert told["model_type"] == "lm"
    assert told["context_length"] == 4096
    assert told["parameters"] > 1000
    assert told["owned_by"] == "tiny"
    assert not told["loaded"]


def test_loads_unloads_deletes_and_chats_in_any_order_end_well(
    hub: PlayedHub, server: Server, name: str
) -> None:
    seen: dict[int, str] = {}
    stop = threading.Event()

    def repeat(ask: object) -> None:
        assert callable(ask)
        while not stop.is_set():
            answer = ask()
            seen[answer.status_code] = answer.text

    asks = [
        lambda: server.post("/v1/admin/load-model", {"model_path": name}),
        lambda: server.post("/v1/admin/unload-model", {"abort": True}),
        lambda: running_delete(server, name),
        lambda: server.chat(messages=[{"role": "user", "content": "hi"}], max_tokens=4),
    ]
    with ThreadPoolExecutor(len(asks)) as threads:
        work = [threads.submit(repeat, ask) for ask in asks]
        wait_until(lambda: seen.keys() >= {200, 503})
        for _ in range(20):
            asks[0]()
        stop.set()
        for one in work:
            one.result()
    assert seen.keys() <= {200, 404, 409, 503}, seen
    loaded = server.post("/v1/admin/load-model", {"model_path": name})
    assert loaded.status_code == 200, loaded.text
    assert answers(server)


@pytest.mark.parametrize(
    "model_id",
    [
        "../../x",
        "..",
        "tiny/../../x",
        "/etc/passwd",
        "~/x",
        "tiny/a\0b",
        "a/b/c",
        "-x",
        "tiny/..",
        "x" * 97,
    ],
)
def test_an_id_that_leads_elsewhere_is_refused_everywhere(server: Server, model_id: str) -> None:
    refusal(download(server, model_id), 400, "invalid_value", "model_path")
    deleted = exchange(server, "DELETE", f"/v1/models/{quote(model_id, safe='')}")
    assert deleted.status_code in (400, 404)
    assert deleted.json()["error"]["code"] in ("invalid_value", "model_not_found")
    loaded = server.post("/v1/admin/load-model", {"model_path": model_id})
    assert loaded.status_code in (400, 404)
