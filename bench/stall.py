"""What a long prompt that arrives does to a stream that runs."""

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bench import worker
from bench.client import ChatClient, user
from bench.errors import BenchError
from bench.figures import StallFigures
from bench.sse import Answer, Arrival, text_times_s

_RUNNING_TOKENS: Final = 3000
"""Length of the running answer, so that it outlasts the prefill; it is left as soon as it did."""

_RUNNING_READS: Final = 32
"""Reads after which a stream counts as running."""

_ANSWER_TOKENS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class StallJob:
    """What to measure.

    Attributes:
        base_url: the server's, as OpenAI's clients take it: it ends in /v1.
        model: the name of the model in the requests.
        running: user message whose answer streams.
        arriving: the long user message that is sent meanwhile.
    """

    base_url: str
    model: str
    running: str
    arriving: str


async def measure(job: StallJob) -> StallFigures:
    """Stream one answer, send the long prompt, and return what both saw.

    Raises:
        BenchError: a chat failed, or the running one ended too soon.
    """
    arrivals: list[Arrival] = []
    runs = asyncio.Event()

    def arrived(arrival: Arrival) -> None:
        arrivals.append(arrival)
        if len(arrivals) == _RUNNING_READS:
            runs.set()

    async with ChatClient.open(base_url=job.base_url, model=job.model) as client:
        running = asyncio.create_task(
            client.follow([user(job.running)], arrived, max_tokens=_RUNNING_TOKENS)
        )
        waiting = asyncio.create_task(runs.wait())
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        answer = None
        if not running.done():
            answer = await client.stream([user(job.arriving)], max_tokens=_ANSWER_TOKENS)
        await _leave(running)
    if answer is None:
        raise BenchError("The running answer ended before the long prompt was sent.")
    return _figures(arrivals, answer)


async def _leave(running: asyncio.Task[None]) -> None:
    """End the running chat; one that failed by itself raises."""
    running.cancel()
    await asyncio.wait([running])
    if not running.cancelled() and (error := running.exception()) is not None:
        raise error


def _figures(arrivals: list[Arrival], answer: Answer) -> StallFigures:
    times_s = text_times_s(arrivals)
    if not times_s or times_s[-1] < answer.text_s[0]:
        raise BenchError("The running answer ended before the one to the long prompt began.")
    return StallFigures(
        longest_gap_ms=longest_gap_ms(times_s, since_s=answer.sent_s, until_s=answer.text_s[0]),
        ttft_ms=answer.ttft_ms,
        prompt_tokens=answer.prompt_tokens,
    )


def longest_gap_ms(times_s: list[float], *, since_s: float, until_s: float) -> float:
    """Return the longest time between two arrivals of those that reach into a span of time.

    Args:
        times_s: the arrivals, of which at least one pair does.
        since_s: where the span begins.
        until_s: where it ends.
    """
    return 1e3 * max(
        later - earlier
        for earlier, later in pairwise(times_s)
        if later > since_s and earlier < until_s
    )


if __name__ == "__main__":
    worker.work(lambda job: asyncio.run(measure(StallJob(**job))))
