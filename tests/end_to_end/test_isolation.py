"""Fifty people at once, all under one request id: each gets what is theirs, and nothing else."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.end_to_end.server import Json, Server, serve
from tests.models import TINY_CHAT, TRANSCRIPTS, Transcript

CALLERS = 50
PLAIN = [one for one in TRANSCRIPTS if not one.tools and one.enable_thinking is None]
CANARY = re.compile(r"canary-[0-9]+-end")
SHARED = "You answer in few words. " * 60
SHARED_TOKENS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one caller was told.

    Attributes:
        everything: headers and body as one text.
        text: the answer.
        prompt_tokens: what the answer says of its prompt.
        cached_tokens: how much of it was known before.
    """

    everything: str
    text: str
    prompt_tokens: int
    cached_tokens: int


def canary(number: int) -> str:
    """Return the mark of one caller."""
    return f"canary-{number}-end"


async def ask(session: aiohttp.ClientSession, number: int, messages: Any, max_tokens: int) -> Told:
    """Ask as one of the callers, every other one for a stream."""
    stream = number % 2 == 1
    body: Json = {
        "model": "current",
        "messages": messages,
        "temperature": 0,
        "max_tokens": max_tokens,
        "user": canary(number),
        canary(number): canary(number),
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    async with session.post(
        "/v1/chat/completions", json=body, headers={"X-Request-Id": "same"}
    ) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Bodega-Ignored-Fields"] == canary(number)
        body_text = await response.text()
        everything = f"{dict(response.headers)} {body_text}"
    if not stream:
        answer = json.loads(body_text)
        text = answer["choices"][0]["message"]["content"]
        return told_of(everything, text, answer["usage"])
    events = [line[6:] for line in body_text.splitlines() if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    chunks = [json.loads(event) for event in events]
    assert len({chunk["id"] for chunk in chunks}) == 1
    text = "".join(
        choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]
    )
    return told_of(everything, text, chunks[-1]["usage"])


def told_of(everything: str, text: str, usage: Json) -> Told:
    """Return what a caller was told, with the counts of its usage."""
    return Told(
        everything=everything,
        text=text,
        prompt_tokens=usage["prompt_tokens"],
        cached_tokens=usage["prompt_tokens_details"]["cached_tokens"],
    )


def all_at_once(
    server: Server, conversations: list[Any], *, first: int = 0, max_tokens: int = 1000
) -> list[Told]:
    """Ask all conversations at once, each as a caller of its own, numbered from the first."""

    async def asked() -> list[Told]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(server.http, connector=connector) as session:
            return await asyncio.gather(
                *(
                    ask(session, number, one, max_tokens)
                    for number, one in enumerate(conversations, start=first)
                )
            )

    return asyncio.run(asked())


@pytest.mark.parametrize("round_of", ["cold", "known"])
def test_everyone_gets_the_answer_to_their_own_conversation(server: Server, round_of: str) -> None:
    asked: list[Transcript] = [PLAIN[number % len(PLAIN)] for number in range(CALLERS)]
    answers = all_at_once(server, [list(one.messages) for one in asked])
    for number, (told, one) in enumerate(zip(answers, asked, strict=True)):
        assert told.text == one.content
        assert set(CANARY.findall(told.everything)) == {canary(number)}


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Server]:
    """Return a server that keeps nothing of what it has computed."""
    with serve("--model", str(TINY_CHAT), "--prefix-cache-gb", "0", home=tmp_path) as running:
        yield running
        assert running.stop() == 0


def test_what_one_caller_says_reaches_no_other(server: Server, forgetful: Server) -> None:
    def conversation(number: int) -> list[Json]:
        # All begin alike, so that they share what the cache keeps, and each is of its own length.
        system = f"{SHARED}{canary(number)} {'and so on ' * (number - 1000)}"
        question = {"role": "user", "content": f"Say {canary(number)}."}
        return [{"role": "system", "content": system}, question]

    callers = range(1000, 1000 + CALLERS)
    conversations = [conversation(number) for number in callers]
    cold, known = (
        all_at_once(server, conversations, first=callers.start, max_tokens=40) for _ in range(2)
    )
    for number, *both in zip(callers, cold, known, strict=True):
        for told in both:
            assert set(CANARY.findall(told.everything)) == {canary(number)}
    # Of the long beginning that all share, as of one's own, no one computes anything twice.
    assert sum(told.cached_tokens >= SHARED_TOKENS for told in cold) > 0
    assert all(told.cached_tokens > SHARED_TOKENS for told in known)
    alone = all_at_once(forgetful, conversations, first=callers.start, max_tokens=40)
    assert {told.cached_tokens for told in alone} == {0}
    for one, *others in zip(alone, cold, known, strict=True):
        assert {told.text for told in others} == {one.text}
    assert len({told.text for told in alone}) > CALLERS // 4
    assert [told.prompt_tokens for told in cold] == [told.prompt_tokens for told in known]
    lengths = [told.prompt_tokens for told in cold]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) == CALLERS
    marks = [canary(number) for number in callers]
    logged: dict[str, set[int]] = {}
    while sum(map(len, logged.values())) < CALLERS:
        line = server.log_line("chat")
        if line.get("user") in marks:
            assert line["request"] == "same"
            logged.setdefault(line["user"], set()).add(line["prompt_tokens"])
    assert logged == {mark: {length} for mark, length in zip(marks, lengths, strict=True)}
