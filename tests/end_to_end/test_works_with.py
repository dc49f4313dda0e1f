"""Other people's clients complete a tool loop against the server, with a model that calls tools.

What is not among the developers' packages is installed and run by `make works-with`.
"""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from tests.end_to_end.server import Server, serve
from tests.models.formats import format_model

SCRIPTS: Final = Path(__file__).parents[1] / "works_with"
CACHE: Final = Path(__file__).parents[2] / ".cache" / "works-with"
INSTALL_S: Final = 900


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server with a model that calls a tool, and answers by its result."""
    home = tmp_path_factory.mktemp("home")
    with serve("--model", str(format_model("qwen3")), home=home) as running:
        yield running
        assert running.stop() == 0


def python_with(module: str, package: str) -> str:
    """Return a Python that has a module, or skip the test where that is not to be installed."""
    if find_spec(module) is not None:
        return sys.executable
    folder = CACHE / module
    _require(package)
    if not folder.exists():
        venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    _install([python, "-m", "pip", "install", "--quiet", package])
    return python


def _require(package: str) -> None:
    if not os.environ.get("BODEGA_WORKS_WITH"):
        pytest.skip(f"make works-with installs {package} and runs this")


def _install(command: list[str]) -> None:
    subprocess.run(command, check=True, timeout=INSTALL_S)


def final_text(command: list[str], server: Server, tmp_path: Path) -> str:
    """Return what a client makes of its loop in the end."""
    # Nothing of these programs goes anywhere but to the server.
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "no_proxy": "*"}
    done = subprocess.run(
        [*command, f"{server.http}/v1"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("script", "module", "package"),
    [
        ("pydantic_ai_loop.py", "pydantic_ai", "pydantic-ai-slim[openai]"),
        ("langchain_loop.py", "langchain_openai", "langchain-openai"),
        ("openai_agents_loop.py", "agents", "openai-agents"),
        ("llama_index_loop.py", "llama_index", "llama-index-llms-openai-like"),
    ],
)
def test_a_framework_completes_a_tool_loop(
    server: Server, tmp_path: Path, script: str, module: str, package: str
) -> None:
    command = [python_with(module, package), str(SCRIPTS / script)]
    assert final_text(command, server, tmp_path) == "It is snowing in Oslo."


@pytest.mark.timeout(1200)
def test_the_node_client_completes_a_tool_loop(server: Server, tmp_path: Path) -> None:
    _require("npm's openai")
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    folder = CACHE / "node"
    folder.mkdir(parents=True, exist_ok=True)
    quiet = ["--no-audit", "--no-fund", "--silent"]
    _install(["npm", "install", *quiet, "--prefix", str(folder), "openai"])
    script = shutil.copy(SCRIPTS / "node_loop.mjs", folder)
    assert final_text(["node", script], server, tmp_path) == "It is snowing in Oslo."
