"""A prompt that takes long does not keep short ones waiting, and is itself answered."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.end_to_end.requests_in_flight import idle
from tests.end_to_end.server import Server, serve
from tests.end_to_end.waiting import wait_until
from tests.models import TINY_CHAT, TRANSCRIPTS

HELLO = next(one for one in TRANSCRIPTS if one.name == "hello")
LONG_TOKENS = 12_000
CONTEXT = 16_000
SHORT_CHATS = 16


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server whose model takes long prompts."""
    folder = tmp_path_factory.mktemp("models") / "roomy"
    shutil.copytree(TINY_CHAT, folder)
    config = folder / "config.json"
    fields = json.loads(config.read_text())
    config.write_text(json.dumps({**fields, "max_position_embeddings": CONTEXT}))
    arguments = ("--model", str(folder), "--context-length", str(CONTEXT))
    with serve(*arguments, home=tmp_path_factory.mktemp("home")) as running:
        yield running
        assert running.stop() == 0


def test_sixteen_short_chats_are_answered_while_a_long_prompt_is_read(roomy: Server) -> None:
    answered: list[str] = []

    def ask_long() -> None:
        digits = "7" * LONG_TOKENS
        answer = roomy.chat(messages=[{"role": "user", "content": digits}], max_tokens=1)
        answered.append("long")
        assert answer.status_code == 200
        assert answer.json()["usage"]["prompt_tokens"] > LONG_TOKENS

    def ask_short() -> None:
        answer = roomy.chat(messages=list(HELLO.messages))
        answered.append("short")
        assert answer.json()["choices"][0]["message"]["content"] == HELLO.answer

    with ThreadPoolExecutor(1 + SHORT_CHATS) as pool:
        long = pool.submit(ask_long)
        wait_until(lambda: roomy.stats()["active_requests"] == 1)
        for short in [pool.submit(ask_short) for _ in range(SHORT_CHATS)]:
            short.result()
        long.result()
    assert answered == ["short"] * SHORT_CHATS + ["long"]
    wait_until(lambda: idle(roomy))
