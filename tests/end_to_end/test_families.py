"""Other families of models than the trained one: loaded, batched, left and unloaded."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.requests_in_flight import asked, endless, idle
from tests.end_to_end.server import Server, serve
from tests.end_to_end.waiting import wait_until
from tests.models import FAMILIES, TRANSCRIPTS, family_model

PROMPTS = [list(one.messages) for one in TRANSCRIPTS if not one.tools and len(one.messages) == 1]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server without a model."""
    with serve(home=tmp_path_factory.mktemp("home")) as running:
        yield running
        assert running.stop() == 0


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_family_is_served_in_a_batch_and_left_in_mid_stream(
    empty: Server, family: str
) -> None:
    path = str(family_model(family))
    loaded = empty.post("/v1/admin/load-model", {"model_path": path, "max_concurrency": 8})
    assert loaded.status_code == 200, loaded.text
    async with empty.async_openai() as client:

        async def ask(at: int) -> str | None:
            asking: Any = client.chat.completions.create
            answer = await asking(
                model="current", messages=PROMPTS[at], temperature=0, max_tokens=20
            )
            assert answer.choices[0].finish_reason == "length"
            return answer.choices[0].message.content

        alone = [await ask(at) for at in range(6)]
        with endless(empty) as lines:
            next(lines)
            together = asyncio.gather(*map(ask, range(6)))
            await asyncio.sleep(0)
            assert await together == alone
        wait_until(lambda: idle(empty))
        assert await asyncio.gather(*map(ask, range(6))) == alone
    assert empty.post("/v1/admin/unload-model").status_code == 200
    assert empty.get("/health").json()["model_id"] is None


def test_leaving_during_a_long_prompt_stops_its_prefill(empty: Server) -> None:
    path = str(family_model("qwen3_moe"))
    empty.post("/v1/admin/load-model", {"model_path": path})
    before = empty.stats()
    with asked(empty, {"messages": [{"role": "user", "content": "word " * 3900}]}):
        wait_until(lambda: empty.stats()["active_requests"] == 1)
    wait_until(lambda: idle(empty))
    after = empty.stats()
    assert after["cancelled_requests"] == before["cancelled_requests"] + 1
    assert after["completion_tokens"] == before["completion_tokens"]
    assert after["prompt_tokens"] > before["prompt_tokens"] + 3000
