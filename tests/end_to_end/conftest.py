"""One server for the tests that leave it as they found it, and its log where a test fails."""

from collections.abc import Generator, Iterator

import pytest

from tests.end_to_end.server import Server, serve
from tests.models import TINY_CHAT
from tests.process.program import SHOWN_LINES

WIDTH = 32


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers of a failed test have written."""
    report = yield
    if report.failed:
        for name, value in item.funcargs.items():
            if isinstance(value, Server):
                text = "\n".join(value.written[-SHOWN_LINES:])
                report.sections.append((f"Log of the server '{name}'", text))
    return report


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server with the tiny chat model that decodes 32 requests together."""
    home = tmp_path_factory.mktemp("home")
    arguments = ("--model", str(TINY_CHAT), "--max-concurrency", str(WIDTH))
    with serve(*arguments, home=home) as running:
        yield running
        assert running.stop() == 0
