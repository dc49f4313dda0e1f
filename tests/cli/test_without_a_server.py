"""The commands where no server runs: models come and go all the same."""

import json

import pytest

from tests.cli.conftest import MODEL
from tests.cli.terminal import WAIT_S, Bodega
from tests.hub.played_hub import PlayedHub


def test_a_model_is_pulled_listed_and_removed(alone: Bodega) -> None:
    pulled = alone("pull", MODEL, "--json")
    assert json.loads(pulled.stdout)["progress"] == 100.0
    assert pulled.stderr == ""
    (listed,) = json.loads(alone("list", "--json").stdout)["data"]
    assert (listed["id"], listed["is_complete"], listed["loaded"]) == (MODEL, True, False)
    assert alone("rm", MODEL).returncode == 0
    assert json.loads(alone("list", "--json").stdout)["data"] == []


def test_a_pull_that_is_interrupted_keeps_what_has_come(alone: Bodega, hub: PlayedHub) -> None:
    held = hub.faults.hold("model.safetensors", at=300_000)
    with alone.in_terminal("pull", MODEL) as terminal:
        terminal.expect(r"[0-9]+%")
        assert held.reached.wait(WAIT_S)
        terminal.type("\x03")
        terminal.expect(f"To go on: bodega pull {MODEL}")
        hub.faults.release_all()
        code, shown = terminal.end()
        assert (code, "Traceback" in shown) == (130, False)
    assert alone("pull", MODEL).returncode == 0


@pytest.mark.parametrize("command", ["ps", "run x hello"])
def test_what_needs_a_server_says_so(alone: Bodega, command: str) -> None:
    done = alone(*command.split())
    assert (done.returncode, done.stdout) == (3, "")
    assert "bodega serve" in done.stderr
