"""What `bodega serve` owes its children, its operator, and the machine when it ends."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.process.program import Program, program

SUPERVISE = str(Path(__file__).parent / "supervise_stand_ins.py")

Serve = Callable[..., AbstractContextManager[Program]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Return how to start the supervisor over stand-ins; its temporary folder is empty at last."""
    temporary = tmp_path / "t"
    temporary.mkdir()

    def start(
        *,
        model: str | None = None,
        log_format: str = "text",
        hang_limit_s: float = 60.0,
        **behaviour: str,
    ) -> AbstractContextManager[Program]:
        arguments = [SUPERVISE, log_format, *([model] if model else [])]
        environment = {f"STAND_IN_{name.upper()}": value for name, value in behaviour.items()}
        environment |= {"TMPDIR": str(temporary), "HANG_LIMIT_S": str(hang_limit_s)}
        return program(arguments, environment)

    yield start
    assert not list(temporary.iterdir())


def test_the_start_lines_tell_what_listens_where_and_what_to_try(serve: Serve) -> None:
    with serve(model="some/model") as server:
        assert "http://localhost:1" in server.line("HTTP")
        assert "grpcurl -plaintext localhost:2 list" in server.line("gRPC")
        server.line("some/model is being loaded")
        assert "64 tokens" in server.line("loaded in 0.5 s")
        server.line("small")
        server.line("curl http://localhost:1/v1/chat/completions")
        server.send(signal.SIGTERM)
        assert server.end() == 0


def test_without_a_model_the_start_lines_tell_how_to_load_one(serve: Serve) -> None:
    with serve() as server:
        server.line("curl http://localhost:1/v1/admin/load-model")
        server.send(signal.SIGTERM)
        assert server.end() == 0


def test_json_start_lines_hold_the_ports_and_the_model(serve: Serve) -> None:
    with serve(model="m", log_format="json") as server:
        listening = json.loads(server.line('"listening"'))
        assert (listening["http_port"], listening["grpc_port"]) == (1, 2)
        assert listening["http"] == "http://localhost:1"
        assert json.loads(server.line('"loaded"'))["model"] == "m"
        server.send(signal.SIGTERM)
        assert server.end() == 0
    assert all(line.startswith("{") for line in server.lines if not is_of_stand_in(line))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_drains_the_gateway_and_then_the_core(
    serve: Serve, number: signal.Signals
) -> None:
    with serve() as server:
        server.line("Try:")
        server.send(number)
        server.line("gateway drains")
        server.line("core drains")
        assert server.end() == 0


def test_a_second_signal_ends_everything_at_once(serve: Serve) -> None:
    with serve(gateway="hang") as server:
        server.line("Try:")
        server.send(signal.SIGINT)
        server.line("gateway hangs")
        server.send(signal.SIGINT)
        assert server.end() == 128 + signal.SIGINT


def test_children_lead_groups_of_their_own_and_get_no_ctrl_c(serve: Serve) -> None:
    with serve() as server:
        for name in ("core", "gateway"):
            child = server.line(f"{name} pid")
            assert re.search(r"pid (\d+) group \1 ", child)
        server.line("Try:")
        os.killpg(server.pid, signal.SIGINT)
        server.line("gateway drains")
        assert server.end() == 0


def test_children_end_when_the_supervisor_is_killed(serve: Serve, tmp_path: Path) -> None:
    with serve(gateway="hang") as server:
        server.line("Try:")
        server.send(signal.SIGKILL)
        server.line("core drains")
        assert server.end() == -signal.SIGKILL
    # Here the stand-in core leaves the folder; the real one removes it.
    for folder in (tmp_path / "t").iterdir():
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["core", "gateway"])
def test_a_child_that_dies_is_named_and_started_again_after_longer_and_longer(
    serve: Serve, name: str
) -> None:
    with serve(**{name: "die"}) as server:
        for wait_s in (0.1, 0.2, 0.4):
            server.line(
                f"The {name} ended with exit code 3. It is started again in {wait_s:.1f} s."
            )
            server.line(f"{name} pid")
            server.line(f"the {name} is back")
        server.line("It is started again in 0.8 s.")
        server.send(signal.SIGTERM)
        assert server.end() == 0


def test_a_child_killed_by_a_signal_comes_back_on_the_same_port_and_socket(serve: Serve) -> None:
    with serve(model="m") as server:
        first = server.line("core pid")
        server.line("curl")
        os.kill(pid_in(first), signal.SIGKILL)
        server.line("The core was ended by SIGKILL.")
        second = arguments_in(server.line("core pid"))
        assert second[second.index("--port") + 1] == "2"
        for flag in ("--socket", "--state-file"):
            value = second[second.index(flag) + 1]
            assert value == arguments_in(first)[arguments_in(first).index(flag) + 1]
        # What to load is for the state file to say.
        assert "--model" in arguments_in(first)
        assert "--model" not in second
        server.line("the core is back")
        server.send(signal.SIGTERM)
        assert server.end() == 0


@pytest.mark.parametrize("name", ["core", "gateway"])
def test_a_stopped_child_is_killed_and_started_again(serve: Serve, name: str) -> None:
    with serve(hang_limit_s=2) as server:
        child = server.line(f"{name} pid")
        server.line("Try:")
        os.kill(pid_in(child), signal.SIGSTOP)
        server.line(f"The {name} gave no sign of life and was killed.")
        assert pid_in(server.line(f"{name} pid")) != pid_in(child)
        server.line(f"the {name} is back")
        server.send(signal.SIGTERM)
        assert server.end() == 0


def test_a_child_whose_beats_end_is_killed_and_started_again(serve: Serve) -> None:
    with serve(core="silent", hang_limit_s=2) as server:
        server.line("The core gave no sign of life and was killed.")
        server.line("the core is back")
        server.send(signal.SIGTERM)
        assert server.end() == 0


def test_a_supervisor_that_was_stopped_takes_nobody_for_hung(serve: Serve) -> None:
    with serve(hang_limit_s=4) as server:
        server.line("Try:")
        server.send(signal.SIGSTOP)
        with pytest.raises(subprocess.TimeoutExpired):
            server.wait(5)
        server.send(signal.SIGCONT)
        with pytest.raises(subprocess.TimeoutExpired):
            server.wait(1.5)
        server.send(signal.SIGTERM)
        assert server.end() == 0
    assert not any("no sign of life" in line for line in server.lines)


def test_children_that_die_together_both_come_back(serve: Serve) -> None:
    with serve() as server:
        pids = [pid_in(server.line(f"{name} pid")) for name in ("core", "gateway")]
        server.line("Try:")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        seen = {server.line("is back") for _ in pids}
        assert len(seen) == 2
        server.send(signal.SIGTERM)
        assert server.end() == 0


def test_a_signal_between_two_lives_ends_the_server(serve: Serve) -> None:
    with serve(core="die") as server:
        server.line("It is started again in 1.6 s.")
        server.send(signal.SIGTERM)
        server.line("gateway drains")
        assert server.end() == 0


def test_a_child_that_never_starts_any_more_ends_the_server_at_last(serve: Serve) -> None:
    with serve(core="fade") as server:
        server.line("The core was ended by SIGABRT. It is started again")
        server.line("The core ended with exit code 1. It does not start any more; the server ends.")
        server.line("gateway drains")
        assert server.end() == 1


@pytest.mark.parametrize("name", ["core", "gateway"])
def test_a_child_that_cannot_start_has_the_only_word(serve: Serve, name: str) -> None:
    with serve(**{name: "fail"}) as server:
        server.line(f"{name} has said why")
        assert server.end() == 1
    assert not any("ERROR" in line for line in server.lines)


def test_a_child_that_crashes_at_its_start_is_told(serve: Serve) -> None:
    with serve(core="crash") as server:
        server.line("The core was ended by SIGABRT.")
        assert server.end() == 1


def test_a_model_that_cannot_be_loaded_ends_the_server(serve: Serve) -> None:
    with serve(model="m", core="refuse") as server:
        server.line("the core has said why")
        server.line("gateway drains")
        server.line("core drains")
        assert server.end() == 1


def test_the_socket_lies_in_a_private_folder_with_a_short_path(serve: Serve) -> None:
    with serve() as server:
        arguments = json.loads(server.line("core pid").partition("arguments ")[2])
        socket = Path(arguments[arguments.index("--socket") + 1])
        assert socket.parent.stat().st_mode & 0o777 == 0o700
        assert len(os.fsencode(socket)) <= 103
        gateway = server.line("gateway pid")
        assert f'"unix:{socket}"' in gateway
        server.line("Try:")
        server.send(signal.SIGTERM)
        assert server.end() == 0


def pid_in(line: str) -> int:
    found = re.search(r"pid (\d+)", line)
    assert found is not None
    return int(found[1])


def arguments_in(line: str) -> list[str]:
    arguments: list[str] = json.loads(line.partition("arguments ")[2])
    return arguments


def is_of_stand_in(line: str) -> bool:
    return line.startswith(("core ", "gateway "))
