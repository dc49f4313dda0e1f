"""One server beside a played hub, and the command line that calls it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import Bodega
from tests.end_to_end.server import Server, serve
from tests.hub.played_hub import PlayedHub
from tests.models import TINY_CHAT

MODEL = "acme/tiny-chat"
QUESTION = "What is the capital of France?"
ANSWER = "The capital of France is Paris."


@pytest.fixture(scope="session")
def hub() -> Iterator[PlayedHub]:
    """Return a hub that has the tiny chat model."""
    with PlayedHub() as played:
        files = {file.name: file.read_bytes() for file in TINY_CHAT.iterdir() if file.is_file()}
        played.add_model(MODEL, files)
        yield played


@pytest.fixture(scope="session")
def server(hub: PlayedHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server without a model, which fetches from the played hub."""
    home = tmp_path_factory.mktemp("home")
    with serve(home=home, env=hub.environment(home / "huggingface")) as running:
        yield running
        assert running.stop() == 0


@pytest.fixture
def bodega(server: Server, tmp_path: Path) -> Bodega:
    """Return the command line that calls the server."""
    return Bodega({"BODEGA_CORE": server.grpc, "BODEGA_HOME": str(tmp_path)})


@pytest.fixture
def alone(hub: PlayedHub, tmp_path: Path) -> Bodega:
    """Return the command line where no server runs."""
    # A flag or BODEGA_CORE would mean that a server has to be there.
    settings = tmp_path / "bodega.toml"
    settings.write_text('core = "localhost:1"')
    variables = {"BODEGA_CONFIG": str(settings), "BODEGA_HOME": str(tmp_path / "bodega")}
    return Bodega({**hub.environment(tmp_path / "huggingface"), **variables})
