"""Many requests of all kinds, one after the other: the server holds no more at the end than before.

BODEGA_SOAK_REQUESTS and BODEGA_SOAK_SEED choose how many, and which.
"""

import asyncio
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from bodega_api.v1 import inference_pb2, inference_pb2_grpc

from tests.end_to_end.footprint import NAMES, Footprint, Footprints, rise
from tests.end_to_end.requests_in_flight import idle
from tests.end_to_end.server import Json, Server, serve
from tests.end_to_end.waiting import wait_until
from tests.models import ENDLESS, TINY_CHAT, TRANSCRIPTS, Transcript

REQUESTS = int(os.environ.get("BODEGA_SOAK_REQUESTS", "1000"))
SEED = int(os.environ.get("BODEGA_SOAK_SEED", "4"))
ROUNDS = 20
WARM_ROUNDS = 8
"""Until then memory and threads grow to what the server needs under load."""

CLIENTS = 16
PLAIN = [one for one in TRANSCRIPTS if not one.tools and one.enable_thinking is None]
MIB = 2**20
SWING_BYTES = 32 * MIB
"""How far the pools of the allocators swing, however many requests there are."""

GROWTH_BYTES = MIB
"""What each 1,000 requests may add to that."""

SPARE = 4
"""Descriptors, threads and tasks that one process may hold more than after the warm rounds."""

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looked up under /proc"),
    pytest.mark.timeout(300 + REQUESTS // 5),
]


class Traffic:
    """Requests that a seed draws.

    Attributes:
        sent: how many of each kind there were.
    """

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self.sent: Counter[str] = Counter()
        self._kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "whole": self._whole,
            "stream": self._stream,
            "sampled": self._sampled,
            "left stream": self._left_stream,
            "left answer": self._left_answer,
            "refused": self._refused,
            "unknown model": self._unknown,
            "other": self._other,
            "grpc": self._grpc,
            "left grpc": self._left_grpc,
        }

    async def round(self, server: Server, requests: int) -> None:
        """Send requests, some at a time, and wait until all have ended."""
        names = self._draw.choices(list(self._kinds), k=requests)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(server.http, connector=connector) as self._http,
            server.aio_channel() as channel,
        ):
            self._stub = inference_pb2_grpc.InferenceStub(channel)
            places = asyncio.Semaphore(CLIENTS)

            async def one(name: str) -> None:
                async with places:
                    await self._kinds[name]()
                self.sent[name] += 1

            await asyncio.gather(*map(one, names))

    def _one(self) -> Transcript:
        return self._draw.choice(PLAIN)

    def _post(self, messages: Any, **fields: Any) -> Any:
        body: Json = {"model": "current", "temperature": 0, "messages": list(messages), **fields}
        return self._http.post("/v1/chat/completions", json=body)

    async def _whole(self) -> None:
        one = self._one()
        async with self._post(one.messages) as response:
            answer = await response.json()
        assert answer["choices"][0]["message"]["content"] == one.content

    async def _stream(self) -> None:
        one = self._one()
        async with self._post(one.messages, stream=True) as response:
            events = [line[6:] async for line in response.content if line.startswith(b"data: ")]
        assert events.pop() == b"[DONE]\n"
        deltas = [json.loads(event)["choices"][0]["delta"] for event in events]
        assert "".join(delta.get("content") or "" for delta in deltas) == one.content

    async def _sampled(self) -> None:
        options = {"temperature": 1.1, "top_p": 0.9, "top_k": 20, "repetition_penalty": 1.1}
        seed = self._draw.randrange(2**31)
        async with self._post(
            self._one().messages, max_tokens=24, seed=seed, stop=["zzz"], **options
        ) as response:
            assert response.status == 200, await response.text()
            await response.read()

    async def _left_stream(self) -> None:
        events = self._draw.randrange(1, 12)
        async with self._post(ENDLESS, stream=True) as response:
            for _ in range(events):
                assert await response.content.readline()

    async def _left_answer(self) -> None:
        seconds = self._draw.uniform(0, 0.03)
        try:
            async with asyncio.timeout(seconds), self._post(ENDLESS):
                raise AssertionError("an endless answer has ended")
        except TimeoutError:
            return

    async def _refused(self) -> None:
        bad = self._draw.choice([{"temperature": -1}, {"stop": 5}, {"max_tokens": 0}])
        async with self._post(self._one().messages, **bad) as response:
            assert response.status == 400

    async def _unknown(self) -> None:
        async with self._post(self._one().messages, model="none") as response:
            assert response.status == 404

    async def _other(self) -> None:
        path = self._draw.choice(["/health", "/v1/models", "/v1/queue/stats", "/openapi.json"])
        async with self._http.get(path) as response:
            assert response.status == 200
            await response.read()

    async def _grpc(self) -> None:
        one = self._one()
        answer = await self._stub.CreateChatCompletion(grpc_request(one.messages))
        assert answer.choices[0].message.content == one.content

    async def _left_grpc(self) -> None:
        call = self._stub.StreamChatCompletion(grpc_request(ENDLESS))
        assert await call.read() is not grpc.aio.EOF
        call.cancel()


def grpc_request(messages: Any) -> inference_pb2.CreateChatCompletionRequest:
    """Return a greedy chat request."""
    request = inference_pb2.CreateChatCompletionRequest(model="current", temperature=0)
    for message in messages:
        role = inference_pb2.Role.Value(f"ROLE_{message['role'].upper()}")
        request.messages.add(role=role).content.text = message["content"]
    return request


@pytest.fixture
def footprints(tmp_path: Path) -> Footprints:
    """Return what looks at the server's processes."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    return Footprints(folder)


@pytest.fixture
def soaked(tmp_path: Path, footprints: Footprints) -> Iterator[Server]:
    """Return a server whose prefix cache is full soon."""
    with serve(
        *("--model", str(TINY_CHAT), "--max-concurrency", "8", "--prefix-cache-gb", "0.002"),
        home=tmp_path,
        env=footprints.environment,
    ) as running:
        yield running
        assert running.stop() == 0


async def test_what_the_server_holds_does_not_grow(soaked: Server, footprints: Footprints) -> None:
    traffic = Traffic(SEED)
    seen: list[dict[str, Footprint]] = []

    def is_back() -> bool:
        """Return whether a look finds no more than the one after the warm rounds."""
        seen.append(footprints.of(soaked))
        return all(seen[-1][name].is_within(seen[0][name], spare=SPARE) for name in NAMES)

    for number in range(ROUNDS):
        await traffic.round(soaked, REQUESTS // ROUNDS)
        wait_until(lambda: idle(soaked))
        if number >= WARM_ROUNDS:
            looks = len(seen)
            wait_until(is_back)
            del seen[looks:-1]
    assert sum(traffic.sent.values()) == REQUESTS // ROUNDS * ROUNDS
    print(dict(traffic.sent))
    for name in NAMES:
        held = [look[name] for look in seen]
        rise_bytes = rise([one.memory_bytes for one in held])
        print(f"{name}: {held[0]} became {held[-1]}, a rise of {rise_bytes / MIB:.2f} MiB")
        assert rise_bytes < SWING_BYTES + GROWTH_BYTES * REQUESTS / 1000
