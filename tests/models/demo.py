"""The real demo model, fetched once for all tests that want it."""

import os
from pathlib import Path

import pytest

from bodega.hub.demo import DemoUnavailable, fetch_demo


def demo_home() -> Path:
    """Return a data folder that has the demo model, or skip the test where it cannot be fetched.

    The folder is $BODEGA_TEST_CACHE, else .cache in the repository.
    """
    cache = os.environ.get("BODEGA_TEST_CACHE")
    home = Path(cache) if cache else Path(__file__).parents[2] / ".cache"
    try:
        fetch_demo(home)
    except DemoUnavailable as error:
        pytest.skip(error.message)
    return home
