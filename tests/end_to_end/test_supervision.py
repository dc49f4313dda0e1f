"""What a death or a hang of the core or the gateway costs: a short pause, and never an orphan."""

import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import requests

from tests.end_to_end.grpc_client import ReflectionClient, chat_json
from tests.end_to_end.processes import pid_of, signal_to
from tests.end_to_end.requests_in_flight import HELLO, answers, asked, endless, error_of
from tests.end_to_end.server import Json, Server, serve
from tests.end_to_end.trapped_model import TrappedModel
from tests.end_to_end.waiting import wait_until
from tests.models import ENDLESS, TINY_CHAT

Start = Callable[..., AbstractContextManager[Server]]

HANG_LIMIT_S = "6"
"""Short, but longer than a busy machine holds up the beats, which come each second."""

NOTICED_S = 15.0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return how to start a server; nothing of it is left in its temporary folder at last."""
    with tempfile.TemporaryDirectory(prefix="b-") as temporary:

        def started(*arguments: str) -> AbstractContextManager[Server]:
            return serve(*arguments, home=tmp_path, env={"TMPDIR": temporary})

        yield started
        assert not list(Path(temporary).glob("bodega-*"))


def health(server: Server) -> Json:
    """Return what /health tells, an empty object while nobody listens."""
    try:
        answer: Json = server.get("/health").json()
    except requests.ConnectionError:
        return {}
    return answer


def is_well(server: Server) -> bool:
    return health(server).get("status") == "ok"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_a_core_that_dies_ends_its_streams_and_comes_back_with_its_model(
    start: Start, number: signal.Signals
) -> None:
    with start() as server:
        with server.channel() as channel:
            request = {"model_path": str(TINY_CHAT), "model_id": "mine", "context_length": 2000}
            ReflectionClient(channel).unary("Admin.LoadModel", request)
        before = server.get("/v1/admin/current-model").json()["model_info"]
        with endless(server) as lines, asked(server, {"messages": list(ENDLESS)}) as whole:
            next(lines)
            # Until it goes on, no core comes back, so that nothing here depends on speed.
            server.send(signal.SIGSTOP)
            died = time.monotonic()
            signal_to(server, "core", number)
            error = error_of(lines)
            print(f"told after {(time.monotonic() - died) * 1e3:.0f} ms")
            # A connection that ends is noticed at once, one that is only silent far later.
            assert time.monotonic() - died < NOTICED_S
            assert error["code"] == "core_unavailable"
            assert error["type"] == "server_error"
            assert b"503 Service Unavailable" in whole.recv(65536)
        refused = server.chat(messages=list(HELLO.messages))
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.json()["error"]["code"] == "core_unavailable"
        assert health(server)["status"] == "unhealthy"
        server.send(signal.SIGCONT)
        wait_until(lambda: is_well(server))
        # What was cut is not asked again by anyone but its client.
        assert server.stats()["total_requests"] == 0
        after = server.get("/v1/admin/current-model").json()["model_info"]
        for told in (before, after):
            told.update(loaded_at=0, memory=None)  # these may differ
        assert after == before
        assert answers(server)
        with server.channel() as channel:
            assert ReflectionClient(channel).unary("Admin.GetHealth", {})["model_id"] == "mine"
        assert server.stop() == 0


def test_a_model_that_was_unloaded_stays_unloaded(start: Start) -> None:
    with start("--model", str(TINY_CHAT)) as server:
        server.post("/v1/admin/unload-model")
        signal_to(server, "core", signal.SIGKILL)
        server.log_line("the core is back")
        assert server.get("/v1/admin/current-model").json()["loaded"] is False
        assert health(server) == {
            "status": "unhealthy",
            "model_id": None,
            "model_status": "uninitialized",
        }
        assert server.stop() == 0


def test_a_model_whose_files_went_leaves_the_core_empty_and_health_says_why(
    start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(TINY_CHAT, folder)
    with start("--model", str(folder)) as server:
        shutil.rmtree(folder)
        signal_to(server, "core", signal.SIGKILL)
        wait_until(lambda: "could not be loaded" in health(server).get("reason", ""))
        assert str(folder) in health(server)["reason"]
        assert server.post("/v1/admin/load-model", {"model_path": str(TINY_CHAT)}).ok
        assert "reason" not in health(server)
        assert answers(server)
        assert server.stop() == 0


def test_a_model_that_ends_the_core_three_times_in_a_row_is_left_out(
    start: Start, tmp_path: Path
) -> None:
    model = TrappedModel(tmp_path)
    with start("--allow-remote-code") as server:
        request = {"model_path": str(model.folder), "trust_remote_code": True}
        assert server.post("/v1/admin/load-model", request).ok
        model.set("abort")
        refused = server.chat(messages=list(HELLO.messages))
        assert refused.status_code == 503
        wait_until(lambda: "3 times in a row" in health(server).get("reason", ""))
        assert health(server)["model_status"] == "uninitialized"
        assert server.chat(messages=list(HELLO.messages)).json()["error"]["code"] == (
            "no_model_loaded"
        )
        model.unset()
        assert server.post("/v1/admin/load-model", request).ok
        assert answers(server)
        assert server.stop() == 0
    assert sum("was ended by SIGABRT" in line for line in server.lines) == 3


def test_a_model_that_has_answered_may_die_as_often_as_it_likes(start: Start) -> None:
    with start("--model", str(TINY_CHAT)) as server:
        for _ in range(4):
            wait_until(lambda: is_well(server))
            assert answers(server)
            signal_to(server, "core", signal.SIGKILL)
            server.log_line("the core is back")
        wait_until(lambda: is_well(server))
        assert answers(server)
        assert server.stop() == 0


def test_a_step_that_hangs_turns_health_bad_and_has_the_core_restarted(
    start: Start, tmp_path: Path
) -> None:
    model = TrappedModel(tmp_path)
    remote = ("--allow-remote-code", "--trust-remote-code")
    with start("--model", str(model.folder), *remote, "--hang-limit", HANG_LIMIT_S) as server:
        assert answers(server)
        with endless(server) as lines:
            next(lines)
            model.set("hang")
            # A prompt of another length is computed, not taken from a cache.
            with asked(server, {"messages": [{"role": "user", "content": "one two three"}]}):
                wait_until(lambda: "longer than it may" in health(server).get("reason", ""))
                assert server.get("/health").status_code == 503
                model.unset()
                assert error_of(lines)["code"] == "core_unavailable"
        wait_until(lambda: is_well(server))
        assert answers(server)
        assert server.stop() == 0
    assert any("gave no sign of life" in line for line in server.lines)


@pytest.mark.parametrize("name", ["core", "gateway"])
def test_a_frozen_process_is_replaced(start: Start, name: str) -> None:
    with start("--model", str(TINY_CHAT), "--hang-limit", HANG_LIMIT_S) as server:
        frozen = signal_to(server, name, signal.SIGSTOP)
        server.log_line(f"the {name} is back")
        assert pid_of(server, name) != frozen
        wait_until(lambda: is_well(server))
        assert answers(server)
        assert server.stop() == 0


def test_health_is_bad_while_the_core_is_frozen(start: Start) -> None:
    with start("--model", str(TINY_CHAT)) as server:
        frozen = signal_to(server, "core", signal.SIGSTOP)
        bad = server.get("/health")
        assert bad.status_code == 503
        assert bad.json()["status"] == "unhealthy"
        assert pid_of(server, "core") == frozen
        signal_to(server, "core", signal.SIGCONT)
        wait_until(lambda: is_well(server))
        assert server.stop() == 0


def test_a_gateway_that_dies_comes_back_on_its_port_and_its_generations_end(start: Start) -> None:
    with start("--model", str(TINY_CHAT)) as server, server.channel() as channel:
        client = ReflectionClient(channel)
        with endless(server) as lines:
            next(lines)
            signal_to(server, "gateway", signal.SIGKILL)
            with pytest.raises(requests.RequestException):
                list(lines)

        def cancelled() -> bool:
            stats = client.unary("Admin.GetQueueStats", {})["queue_stats"]
            return bool(stats["active_requests"] == 0 and stats["cancelled_requests"] == "1")

        wait_until(cancelled)
        wait_until(lambda: is_well(server))
        assert answers(server)
        assert server.stop() == 0


def test_a_grpc_client_sees_its_stream_end_when_the_core_dies(start: Start) -> None:
    with start("--model", str(TINY_CHAT)) as server, server.channel() as channel:
        stream = ReflectionClient(channel).stream(
            "Inference.StreamChatCompletion", chat_json(ENDLESS)
        )
        next(stream)
        signal_to(server, "core", signal.SIGKILL)
        with pytest.raises(Exception, match="UNAVAILABLE"):
            list(stream)
        wait_until(lambda: is_well(server))
        assert server.stop() == 0


def test_a_signal_lets_a_stream_end_and_a_second_one_does_not_wait(start: Start) -> None:
    with start("--model", str(TINY_CHAT)) as server, endless(server) as lines:
        next(lines)
        server.send(signal.SIGTERM)
        server.log_line("gateway drains")
        assert next(lines) is not None
        server.send(signal.SIGTERM)
        # No exit code of a server that has drained.
        assert server.end() == 128 + signal.SIGTERM


@pytest.mark.parametrize("names", [("gateway",), ("core",), ("core", "gateway")])
def test_nothing_is_left_when_the_supervisor_is_killed_with(
    start: Start, names: tuple[str, ...]
) -> None:
    with start() as server:
        pids = {name: pid_of(server, name) for name in names}
        assert all(pids.values())
        server.send(signal.SIGSTOP)
        for name in names:
            signal_to(server, name, signal.SIGKILL)
        server.send(signal.SIGKILL)
        assert server.end() == -signal.SIGKILL
    # Where no process was left to tidy up, the next server does.
    with start() as server:
        assert server.stop() == 0
