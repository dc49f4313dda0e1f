"""What holds for all commands, and what the doctor says of what is wrong."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bodega.cli import main
from tests.cli.terminal import Bodega

SERVERS = {"serve", "core", "gateway"}
PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()


@pytest.mark.parametrize("command", sorted(main.commands.keys() - SERVERS))
def test_each_command_tells_an_example_and_is_on_the_page(command: str) -> None:
    told = CliRunner().invoke(main, [command, "--help"]).output
    assert "Example" in told
    assert f"bodega {command}" in told
    assert f"`bodega {command}" in PAGE


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script = CliRunner().invoke(main, ["completion", shell]).output
    assert f"_BODEGA_COMPLETE={shell}_complete" in script
    variables = {"COMP_WORDS": "bodega unl", "COMP_CWORD": "1", "_BODEGA_COMPLETE": "bash_complete"}
    completed = CliRunner().invoke(main, prog_name="bodega", env=variables)
    assert completed.output == "plain,unload\n"


def test_the_doctor_tells_what_is_wrong_and_the_command_that_mends_it(
    alone: Bodega, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    broken = Bodega({**alone.environment, "HF_HUB_CACHE": str(tmp_path / "file" / "hub")})
    done = broken("doctor", "--json")
    found = {one["name"]: one for one in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    assert found["hub cache"]["state"] == "wrong"
    assert "export HF_HOME" in found["hub cache"]["mend"]
    assert found["server"]["mend"] == "bodega serve"
    assert found["mlx"]["state"] == "ok"
