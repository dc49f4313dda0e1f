"""The shortest requests there are, one after another: what a request costs by itself."""

import asyncio
import time
from dataclasses import dataclass

from bench import worker
from bench.client import ChatClient, user
from bench.errors import BenchError
from bench.figures import OverheadFigures, percentile
from bench.prompts import check_lengths


@dataclass(frozen=True, slots=True, kw_only=True)
class OverheadJob:
    """What to measure.

    Attributes:
        base_url: the server's, as OpenAI's clients take it: it ends in /v1.
        model: the name of the model in the requests.
        warmup: user messages whose requests are not measured.
        prompts: user messages whose requests are.
    """

    base_url: str
    model: str
    warmup: list[str]
    prompts: list[str]


async def measure(job: OverheadJob) -> OverheadFigures:
    """Ask for one token after each prompt and return how long that took.

    Raises:
        BenchError: a request failed, or its answer was of another length.
    """
    async with ChatClient.open(base_url=job.base_url, model=job.model) as client:
        for prompt in job.warmup:
            await _ask(client, prompt)
        took_ms = [await _ask(client, prompt) for prompt in job.prompts]
    return OverheadFigures(p50_ms=percentile(took_ms, 50), p99_ms=percentile(took_ms, 99))


async def _ask(client: ChatClient, prompt: str) -> float:
    started_s = time.perf_counter()
    answer = await client.ask([user(prompt)], max_tokens=1)
    took_ms = 1e3 * (time.perf_counter() - started_s)
    usage = answer.get("usage") or {}
    if usage.get("completion_tokens") != 1:
        raise BenchError(f"An answer of one token was asked for, and its usage is {usage}.")
    check_lengths([usage["prompt_tokens"]])
    return took_ms


if __name__ == "__main__":
    worker.work(lambda job: asyncio.run(measure(OverheadJob(**job))))
