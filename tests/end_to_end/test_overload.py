"""More people at once than the server can take in: the rest are told so at once."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.end_to_end.requests_in_flight import HELLO, endless, idle
from tests.end_to_end.server import Json, Server, serve
from tests.end_to_end.trapped_model import TrappedModel
from tests.end_to_end.waiting import wait_until

CLIENTS = 200
QUEUE = 64
WIDTH = 2
REFUSED = CLIENTS - QUEUE
ASKED: Json = {"model": "current", "messages": list(HELLO.messages), "temperature": 0}


@pytest.fixture
def model(tmp_path: Path) -> TrappedModel:
    """Return a model that can be slowed down."""
    return TrappedModel(tmp_path)


@pytest.fixture
def narrow(model: TrappedModel, tmp_path: Path) -> Iterator[Server]:
    """Return a server that answers two requests at a time and lets 64 wait."""
    with serve(
        *("--model", str(model.folder), "--allow-remote-code", "--trust-remote-code"),
        *("--max-concurrency", str(WIDTH), "--queue-size", str(QUEUE)),
        home=tmp_path,
    ) as running:
        yield running
        assert running.stop() == 0


class Crowd:
    """Many that ask at once.

    Attributes:
        answered: what was answered.
        refusals_s: how long each of those who were refused had waited.
        all_refused: set when nobody is left to refuse.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.answered: list[str] = []
        self.refusals_s: list[float] = []
        self.all_refused = asyncio.Event()

    async def ask_all(self) -> None:
        """Have everyone ask, and wait until everyone has an answer."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(self._url, connector=connector) as session:
            await asyncio.gather(*(self._ask(session, stream=n % 2 == 0) for n in range(CLIENTS)))

    async def _ask(self, session: aiohttp.ClientSession, *, stream: bool) -> None:
        begin = time.perf_counter()
        request = {**ASKED, "stream": stream}
        async with session.post("/v1/chat/completions", json=request) as response:
            text = await response.text()
        if response.status == 200:
            self.answered.append(text)
            return
        assert response.status == 429
        assert '"queue_full"' in text
        assert int(response.headers["Retry-After"]) >= 1
        self.refusals_s.append(time.perf_counter() - begin)
        if len(self.refusals_s) == REFUSED:
            self.all_refused.set()


async def test_of_a_crowd_those_beyond_the_queue_are_refused_at_once_and_the_others_answered(
    narrow: Server, model: TrappedModel
) -> None:
    crowd = Crowd(narrow.http)
    with ExitStack() as running:
        held = [running.enter_context(endless(narrow)) for _ in range(WIDTH)]
        for lines in held:
            next(lines)
        model.set("crawl")
        asking = asyncio.create_task(crowd.ask_all())
        # No place becomes free before: whoever is refused waits for no answer of another.
        await crowd.all_refused.wait()
        assert crowd.answered == []
        stats = await asyncio.to_thread(narrow.stats)
        assert stats["queue_size"] == QUEUE
        assert stats["active_requests"] == WIDTH
        model.unset()
    await asking
    assert len(crowd.refusals_s) == REFUSED
    assert len(crowd.answered) == QUEUE
    assert all("[DONE]" in text or HELLO.answer in text for text in crowd.answered)
    waits_ms = sorted(seconds * 1e3 for seconds in crowd.refusals_s)
    p50, p95 = waits_ms[REFUSED // 2], waits_ms[REFUSED * 95 // 100]
    print(f"{REFUSED} refused after {p50:.0f} ms (p50), {p95:.0f} ms (p95)")
    wait_until(lambda: idle(narrow))
    assert narrow.stats()["rejected_requests"] == REFUSED
