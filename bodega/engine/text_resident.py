"""The event loop's side of one language model: who may wait, who runs, what was answered."""

import asyncio
import functools
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bodega.backends.base import PrefixStats, TextModel, TextModelInfo
from bodega.engine.budget import CacheBudget
from bodega.engine.memory_use import MemoryUse
from bodega.engine.open_answers import OpenAnswers
from bodega.engine.request import Delta, Generation
from bodega.engine.stream import AnswerStream
from bodega.engine.text_loop import TextLoop
from bodega.engine.thread import EngineThread
from bodega.engine.traffic import Traffic
from bodega.errors import (
    BodegaError,
    InvalidRequest,
    ModelUnloaded,
    QueueFull,
    QueueTimeout,
    SlowReader,
)

MIN_RETRY_S = 1.0
MAX_RETRY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """How many requests run and wait, and how long they wait.

    Attributes:
        max_concurrency: most requests decoded together.
        queue_size: most requests that wait.
        queue_timeout_s: longest wait.
    """

    max_concurrency: int
    queue_size: int
    queue_timeout_s: float


class TextResident:
    """A loaded language model that answers. On the event loop only.

    Attributes:
        on_answer: called when a request has been answered to its end.
    """

    def __init__(self, model: TextModel, admission: Admission, thread: EngineThread) -> None:
        self.admission = admission
        self.traffic = Traffic()
        self.on_answer: Callable[[], None] = lambda: None
        self._model = model
        self._budget = CacheBudget(cost=model.info.cache_cost, size_bytes=model.info.cache_bytes)
        self._thread = thread
        self._ids = itertools.count(1)
        self._open = OpenAnswers()
        self._closing: BodegaError | None = None
        self._loop_side = asyncio.get_running_loop()
        self._text_loop: TextLoop | None = None

    @property
    def model(self) -> TextModel:
        """The model."""
        return self._model

    @property
    def info(self) -> TextModelInfo:
        """What is known of the model."""
        return self._model.info

    @property
    def prefix_stats(self) -> PrefixStats:
        """What reusing prefixes did."""
        return self._text_loop.prefix_stats if self._text_loop is not None else PrefixStats()

    @property
    def memory(self) -> MemoryUse:
        """What the model and its requests take."""
        return MemoryUse(
            weight_bytes=self.info.weight_bytes,
            kv_bytes=self._text_loop.taken_bytes if self._text_loop is not None else 0,
            kv_budget_bytes=self._budget.size_bytes,
            prefix_cache_bytes=self.prefix_stats.size_bytes,
            active_bytes=self._model.active_bytes,
        )

    @property
    def active(self) -> int:
        """Requests that have had their turn: in prefill or decoding, or paused."""
        return self._open.active

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return len(self._open) - self.active

    async def until_idle(self) -> None:
        """Wait until there is no request."""
        await self._open.until_none()

    @property
    def idle_for_s(self) -> float:
        """For how long there has been no request; 0 while there is one."""
        return self._open.idle_for_s

    def require_room(self, answers: int = 1) -> None:
        """Refuse a request that could not be taken in now, before work is spent on it.

        Args:
            answers: how many it asks for.

        Raises:
            InvalidRequest: so many never can be.
            QueueFull: as many requests wait as may wait.
            BodegaError: the one given to `close`.
        """
        if self._closing is not None:
            raise self._closing
        most = self.admission.max_concurrency + self.admission.queue_size
        if answers > most:
            raise InvalidRequest(
                f"The request asks for {answers} answers, and this model was loaded to take "
                f"{most} at a time: ask for fewer, or load it with a larger queue_size.",
                param="n",
            )
        if len(self._open) + answers > most:
            self.traffic.rejected_requests += answers
            raise QueueFull(waiting=self.waiting, retry_after_s=self._retry_after_s())

    def generate(self, requests: Sequence[Generation]) -> list[AnswerStream]:
        """Take requests in together, or none of them, and return their answers as they grow.

        Those that follow one another with the same prompt prefill it once, as far as prefixes
        are kept. None is given up for waiting once one of them has had its turn. An answer of which
        not all can fit in the memory is cut as one that fills the context.

        Raises:
            InvalidRequest, QueueFull, BodegaError: as `require_room`.
            InsufficientMemory: one of them could not be held even alone.
        """
        self.require_room(len(requests))
        taken = [(next(self._ids), self._cut(request)) for request in requests]
        streams = [
            (row, AnswerStream(cancel=functools.partial(self._cancel, row))) for row, _ in taken
        ]
        rows = [row for row, _ in taken]
        timer = self._loop_side.call_later(self.admission.queue_timeout_s, self._expire, rows)
        self._open.add(streams, timer)
        self.traffic.total_requests += len(taken)
        for _, same in itertools.groupby(taken, key=lambda one: one[1].prompt):
            (row, request), *followers = same
            self.traffic.prompt_tokens += len(request.prompt)
            self._post(functools.partial(_submit, row, request, followers))
        return [stream for _, stream in streams]

    def _cut(self, request: Generation) -> Generation:
        most_tokens = self._budget.most_tokens(
            prompt_tokens=len(request.prompt), max_tokens=request.max_tokens
        )
        return replace(request, max_tokens=most_tokens)

    async def close(self, reason: BodegaError, *, drain_s: float) -> None:
        """Stop taking requests, end those that wait, and let the others end.

        Args:
            reason: what new and waiting requests are told.
            drain_s: how long running requests may go on; then they fail with ModelUnloaded.
        """
        self._closing = reason
        for row in self._open:
            if not self._open[row].wait.is_over:
                self._cancel(row, reason)
        try:
            async with asyncio.timeout(drain_s):
                await self._open.until_none()
        except TimeoutError:
            for row in self._open:
                self._cancel(row, ModelUnloaded())
            await self._open.until_none()

    def start_on_thread(self) -> None:
        """Start serving. On the engine's thread only."""
        tell = self._thread.tell
        self._text_loop = TextLoop(
            self._model,
            max_rows=self.admission.max_concurrency,
            budget=self._budget,
            # What is told may leave a slice of the prompt later.
            started=lambda row, known: tell(self._started, row, known, time.monotonic()),
            grown=lambda row, delta: tell(self._grown, row, delta),
            paused=lambda: tell(self._paused),
            failed=lambda row, error: tell(self._failed, row, error),
            flush=self._thread.flush,
        )
        self._thread.add(self._text_loop)

    def stop_on_thread(self) -> None:
        """Stop serving and drop the caches. On the engine's thread only."""
        if self._text_loop is not None:
            self._text_loop.close(ModelUnloaded())
            self._thread.remove(self._text_loop)
            self._text_loop = None

    def _post(self, call: Callable[[TextLoop], None]) -> None:
        def on_thread() -> None:
            # A cancellation may come after the model has gone, and its requests with it.
            if self._text_loop is not None:
                call(self._text_loop)

        self._thread.post(on_thread)

    def _cancel(self, row: int, error: BodegaError | None) -> None:
        self._post(lambda loop: loop.cancel(row, error))

    def _expire(self, rows: list[int]) -> None:
        for row in rows:
            self._cancel(row, QueueTimeout(waited_s=self.admission.queue_timeout_s))

    def _started(self, row: int, known: int, at_s: float) -> None:
        self._open.start(row, at_s).stream.cached_tokens = known

    def _grown(self, row: int, delta: Delta) -> None:
        self.traffic.generated(delta.tokens)
        one = self._open[row]
        one.stream.push(delta)
        if delta.finish is not None:
            self.traffic.completed_requests += 1
            self._ended(row)
            self.on_answer()

    def _paused(self) -> None:
        self.traffic.pauses += 1

    def _failed(self, row: int, error: BodegaError | None) -> None:
        stream = self._open[row].stream
        if stream.is_complete:
            self.traffic.completed_requests += 1
        elif error is None or isinstance(error, SlowReader):
            self.traffic.cancelled_requests += 1
        else:
            self.traffic.failed_requests += 1
        stream.fail(error)
        self._ended(row)
        if stream.is_complete:
            self.on_answer()

    def _ended(self, row: int) -> None:
        one = self._open.end(row)
        if one.started_s is not None:
            self.traffic.took(time.monotonic() - one.started_s)

    def _retry_after_s(self) -> float:
        """Return when a place is likely to be free: the queue's length in rounds of requests."""
        rounds = (self.waiting + 1) / self.admission.max_concurrency
        return min(MAX_RETRY_S, max(MIN_RETRY_S, rounds * self.traffic.request_s))


def _submit(
    row: int, request: Generation, followers: list[tuple[int, Generation]], loop: TextLoop
) -> None:
    loop.submit(row, request, followers)
