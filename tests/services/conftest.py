"""What the tests of the services share."""

from tests.engine.conftest import engine

__all__ = ["engine"]
