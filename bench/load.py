"""The load: so many clients that stream chats from an OpenAI server, each one after another."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench import worker
from bench.client import ChatClient, user
from bench.errors import BenchError
from bench.figures import LoadFigures, percentile
from bench.prompts import check_lengths
from bench.sse import Answer
from bench.styles import STYLES


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadJob:
    """What to measure.

    Attributes:
        base_url: the server's, as OpenAI's clients take it: it ends in /v1.
        model: the name of the model in the requests.
        clients: how many stream at the same time.
        warmup: user messages whose chats are not measured.
        prompts: user messages whose chats are; each client takes the next one when it is done.
        max_tokens: length of each answer, in tokens.
        style: how the requests ask for their answers, one of `STYLES`.
        may_end: whether an answer may be shorter, as a real model's may.
    """

    base_url: str
    model: str
    clients: int
    warmup: list[str]
    prompts: list[str]
    max_tokens: int
    style: str = "greedy"
    may_end: bool = False


async def measure(job: LoadJob) -> LoadFigures:
    """Send all chats and return what the clients saw.

    Raises:
        BenchError: a chat failed, or was not of the length that was asked for.
    """
    async with ChatClient.open(base_url=job.base_url, model=job.model) as client:
        clients = _Clients(client, job)
        await clients.run(job.warmup)
        cpu_s, started_s = time.process_time(), time.perf_counter()
        answers = await clients.run(job.prompts)
        seconds = time.perf_counter() - started_s
        cpu_s = time.process_time() - cpu_s
    _check(answers, job)
    return _figures(answers, job, seconds=seconds, cpu_s=cpu_s)


class _Clients:
    def __init__(self, client: ChatClient, job: LoadJob) -> None:
        self._client = client
        self._job = job

    async def run(self, prompts: Sequence[str]) -> list[Answer]:
        """Return the answers to all prompts, with so many requests open at the same time."""
        waiting = iter(enumerate(prompts))
        answers: list[Answer] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._job.clients):
                    tasks.create_task(self._send(waiting, answers))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return answers

    async def _send(self, waiting: Iterator[tuple[int, str]], answers: list[Answer]) -> None:
        for number, prompt in waiting:
            options = {"max_tokens": self._job.max_tokens, **STYLES[self._job.style](number)}
            answers.append(await self._client.stream([user(prompt)], **options))


def _check(answers: Sequence[Answer], job: LoadJob) -> None:
    check_lengths(answer.prompt_tokens for answer in answers)
    for answer in answers:
        fits = answer.output_tokens == job.max_tokens or job.may_end
        if not fits or answer.output_tokens > job.max_tokens:
            raise BenchError(
                f"An answer has {answer.output_tokens} tokens instead of {job.max_tokens}."
            )


def _figures(
    answers: Sequence[Answer], job: LoadJob, *, seconds: float, cpu_s: float
) -> LoadFigures:
    ttft_ms = [answer.ttft_ms for answer in answers]
    gaps_ms = [
        1e3 * (later - earlier) for answer in answers for earlier, later in pairwise(answer.text_s)
    ]
    if not gaps_ms:
        raise BenchError("Every answer came in one piece: the server does not stream.")
    output_tokens = sum(answer.output_tokens for answer in answers)
    prompt_tokens = [answer.prompt_tokens for answer in answers]
    return LoadFigures(
        clients=job.clients,
        requests=len(answers),
        seconds=seconds,
        output_tokens=output_tokens,
        tokens_per_s=output_tokens / seconds,
        ttft_p50_ms=percentile(ttft_ms, 50),
        ttft_p95_ms=percentile(ttft_ms, 95),
        gap_p99_ms=percentile(gaps_ms, 99),
        prompt_tokens_min=min(prompt_tokens),
        prompt_tokens_max=max(prompt_tokens),
        client_cores=cpu_s / seconds,
    )


if __name__ == "__main__":
    worker.work(lambda job: asyncio.run(measure(LoadJob(**job))))
