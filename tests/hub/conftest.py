"""A played hub, and a cache of its own beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants

from bodega import limits
from tests.hub.played_hub import PlayedHub


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache that is the machine's."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def _session() -> Iterator[None]:
    """Close the connections in the end; making the session anew for every test would take long."""
    yield
    close_session()


@pytest.fixture
def hub(_session: None, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlayedHub]:
    """Return a hub that this process asks, and that is asked again without much waiting."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(limits, "HUB_FIRST_WAIT_S", 0.001)
    with PlayedHub() as played:
        monkeypatch.setattr(constants, "ENDPOINT", played.url)
        template = played.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield played
