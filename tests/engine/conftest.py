"""What the tests of the engine share."""

from collections.abc import AsyncIterator

import pytest

from bodega.engine.engine import Engine


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    """Return an engine that runs without a device."""
    running = Engine(prepare=lambda: None, release=lambda: None)
    running.start()
    yield running
    await running.stop()
