"""Several answers to one prompt are computed from one prefill, on every kind of cache."""

import asyncio

import pytest

from bodega.backends.base import Sampling
from bodega.backends.registry import prepare_text_model
from bodega.config import LoadParameters
from bodega.engine.engine import Engine
from bodega.engine.request import Generation
from bodega.engine.text_resident import Admission, TextResident
from tests.engine.reader import Reader, readers
from tests.models import TINY_CHAT, family_model

PROMPT = [(at * 37) % 500 + 40 for at in range(70)]
ANSWERS = 3


async def opened(engine: Engine, family: str) -> TextResident:
    folder = TINY_CHAT if family == "tiny-chat" else family_model(family)
    parameters = LoadParameters(model_path=str(folder))
    loading = await asyncio.to_thread(prepare_text_model, folder, parameters)
    await engine.run(loading.build)
    model = await engine.run(loading.read)
    return await engine.open(model, Admission(max_concurrency=8, queue_size=8, queue_timeout_s=60))


def ask(resident: TextResident, seeds: range) -> list[Reader]:
    return readers(
        resident,
        [
            Generation(
                prompt=PROMPT,
                sampling=Sampling(temperature=1.5, seed=seed),
                max_tokens=20,
                top_logprobs=1,
            )
            for seed in seeds
        ],
    )


async def read(stream: Reader) -> tuple[str, list[bytes], list[float]]:
    text, tokens, logprobs = "", [], []
    async for delta in stream:
        text += delta.text
        tokens += [told.token for told in delta.logprobs]
        logprobs += [told.logprob for told in delta.logprobs]
    return text, tokens, logprobs


@pytest.mark.parametrize("family", ["tiny-chat", "gpt_oss", "qwen3_next"])
async def test_choices_differ_and_repeat_from_one_prefill(engine: Engine, family: str) -> None:
    resident = await opened(engine, family)
    streams = ask(resident, range(ANSWERS))
    answers = [await read(stream) for stream in streams]
    known = [stream.stream.cached_tokens for stream in streams]
    assert known == [0, *[len(PROMPT) - 1] * (ANSWERS - 1)]
    assert resident.prefix_stats.hit_tokens == (ANSWERS - 1) * (len(PROMPT) - 1)
    assert resident.traffic.prompt_tokens == len(PROMPT)
    assert len({tuple(tokens) for _, tokens, _ in answers}) == ANSWERS
    for text, tokens, logprobs in answers:
        assert b"".join(tokens).decode("utf-8", "replace") == text
        assert max(logprobs) <= 0
    again = [await read(stream) for stream in ask(resident, range(ANSWERS))]
    assert [tokens for _, tokens, _ in again] == [tokens for _, tokens, _ in answers]
    await engine.close(resident)
