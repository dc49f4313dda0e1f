"""One server with the tiny chat model, beside a played hub."""

from collections.abc import Iterator

import pytest

from bodega.client import Client
from tests.end_to_end.server import Server, serve
from tests.hub.played_hub import PlayedHub
from tests.models import TINY_CHAT

MODEL = "acme/tiny-chat"
TOKEN = "k33p-0ut"


@pytest.fixture(scope="session")
def hub() -> Iterator[PlayedHub]:
    """Return a hub that has the tiny chat model."""
    with PlayedHub() as played:
        files = {file.name: file.read_bytes() for file in TINY_CHAT.iterdir() if file.is_file()}
        played.add_model(MODEL, files)
        yield played


@pytest.fixture(scope="session")
def _running(hub: PlayedHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server that has a token."""
    home = tmp_path_factory.mktemp("home")
    environment = {**hub.environment(home / "huggingface"), "BODEGA_TOKEN": TOKEN}
    with serve(home=home, env=environment) as running:
        yield running
        assert running.stop() == 0


@pytest.fixture
def server(_running: Server) -> Server:
    """Return the server, with the tiny chat model loaded."""
    with Client(_running.grpc, token=TOKEN) as client:
        info = client.current()
        if info is None or info.model_id != TINY_CHAT.name:
            client.load(str(TINY_CHAT), max_concurrency=8)
    return _running
