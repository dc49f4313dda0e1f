"""A real model, from its file to an answer and away again, by the command line alone."""

import os
from pathlib import Path

import pytest

from tests.cli.terminal import Bodega
from tests.end_to_end.server import serve
from tests.models.demo import demo_home


@pytest.mark.network
def test_smollm2_is_pulled_imported_asked_shown_and_removed(tmp_path: Path) -> None:
    home = tmp_path / "bodega"
    (home / "demo").mkdir(parents=True)
    (fetched,) = (demo_home() / "demo").glob("*.gguf")
    os.symlink(fetched, home / "demo" / fetched.name)
    with serve(home=tmp_path) as server:
        bodega = Bodega({"BODEGA_CORE": server.grpc, "BODEGA_HOME": str(home)})
        assert fetched.name in bodega.here("pull", "demo").stdout
        imported = bodega("import", str(home / "demo" / fetched.name), "--id", "smol")
        assert (imported.returncode, imported.stdout.startswith("smol is here")) == (0, True)
        question = "What is the capital of France?"
        asked = bodega("run", "smol", question, "--temperature", "0")
        assert asked.stdout == "The capital of France is Paris.\n"
        assert "135M" in bodega("show", "smol").stdout
        assert bodega("unload").returncode == 0
        assert bodega("rm", "smol").returncode == 0
        assert server.stop() == 0
