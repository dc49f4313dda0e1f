"""What the tests of language models share."""

from collections.abc import AsyncIterator

import pytest

from bodega.backends.registry import prepare_device, release_device
from bodega.engine.engine import Engine


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    """Return an engine that runs on the device."""
    running = Engine(prepare=prepare_device, release=release_device)
    running.start()
    yield running
    await running.stop()
