"""The engine thread's side of one language model: admit, step, tell."""

import logging
import time
from collections.abc import Callable, Sequence

from bodega.backends.base import PrefixStats, Row, StepPlan, TextModel, Tokens
from bodega.engine.answer import Answer
from bodega.engine.budget import CacheBudget
from bodega.engine.pacing import PrefillPace
from bodega.engine.request import Delta, Generation
from bodega.engine.scheduler import Scheduler
from bodega.errors import BodegaError, InternalError

logger = logging.getLogger(__name__)

FIRST_STEP_LIMIT_S = 600.0
"""Longest step that is not taken for a hang while the model's speed is not known."""

STEP_LIMIT_S = 60.0
"""The same once it is known, at least; a slow model gets `STEP_LIMIT_TIMES` its longest step."""

STEP_LIMIT_TIMES = 20.0

TELL_INTERVAL_S = 0.025
"""How often an answer's tokens leave the engine, but for its first ones and its end.

A step of a small model takes less. A stream then gets a few tokens at once, forty times a second,
which no eye tells from one by one, for a fraction of what a wake-up, two writes and two reads for
each would cost. A slow model's tokens do not wait.
"""

TELL_INTERVAL_EACH_S = 0.002
"""The same, at least, for each answer that runs: a message takes a quarter of that of a core's time
behind the engine."""

MAX_TELL_INTERVAL_S = 0.1

Started = Callable[[int, int], None]
Grown = Callable[[int, Delta], None]
Paused = Callable[[], None]
Failed = Callable[[int, BodegaError | None], None]


class TextLoop:
    """Runs the requests of one language model. On the engine's thread only."""

    def __init__(
        self,
        model: TextModel,
        *,
        max_rows: int,
        budget: CacheBudget,
        started: Started,
        grown: Grown,
        paused: Paused,
        failed: Failed,
        flush: Callable[[], None],
    ) -> None:
        """Make one without requests.

        Args:
            model: the model; stays the caller's.
            max_rows: most requests that run together.
            budget: memory for their caches.
            started: told when a request gets its turn, and how many tokens of its prompt
                need no computing.
            grown: told of every piece of an answer; the last one says why it ended.
            paused: told when a request gives its memory to older ones and waits again.
            failed: told of an answer that ends otherwise: an error, or None if cancelled.
            flush: sends on what was told, which else leaves after each step.
        """
        self._model = model
        self._max_rows = max_rows
        self._budget = budget
        self._started, self._grown, self._paused, self._failed = started, grown, paused, failed
        self._flush = flush
        self._pace = PrefillPace()
        self._longest_step_s: float | None = None
        self._told_s = 0.0
        self._reset()

    def _reset(self) -> None:
        self._runner = self._model.new_runner()
        self._scheduler = Scheduler(max_rows=self._max_rows, budget=self._budget)
        self._requests: dict[int, Generation] = {}
        self._answers: dict[int, Answer] = {}
        self._untold: dict[int, list[Delta]] = {}
        # Rows that wait until one with the same prompt has prefilled it, by that one.
        self._following: dict[int, Sequence[int]] = {}

    @property
    def prefix_stats(self) -> PrefixStats:
        """What reusing prefixes did. From any thread."""
        return self._runner.prefix_stats

    @property
    def taken_bytes(self) -> int:
        """Memory set aside for the caches of the requests that run. From any thread."""
        return self._scheduler.taken_bytes

    def submit(
        self,
        row: int,
        request: Generation,
        followers: Sequence[tuple[int, Generation]] = (),
    ) -> None:
        """Take a request in; it waits for its turn. Alone it must fit in the memory.

        Args:
            row: its number.
            request: what is asked for.
            followers: requests with the same prompt, which wait until it is prefilled once.
        """
        self._requests[row] = request
        self._requests.update(followers)
        self._lead(row, [follower for follower, _ in followers])

    def _lead(self, row: int, following: Sequence[int]) -> None:
        request = self._requests[row]
        self._scheduler.submit(
            row, prompt_tokens=len(request.prompt), max_tokens=request.max_tokens
        )
        if following:
            self._following[row] = following

    def _release(self, row: int, *, prefilled: bool) -> None:
        """Let those that follow a row wait for their turns, or one of them in its stead."""
        following = [one for one in self._following.pop(row, ()) if one in self._requests]
        if not prefilled:
            if following:
                self._lead(following[0], following[1:])
            return
        for one in following:
            self._lead(one, ())

    def cancel(self, row: int, error: BodegaError | None) -> None:
        """End a request, wherever it is; one that has ended already is passed over."""
        if row in self._requests:
            self._tell(row)
            self._end(row)
            self._failed(row, error)

    def close(self, error: BodegaError) -> None:
        """End every request with an error and drop the caches."""
        for row in list(self._requests):
            self.cancel(row, error)
        self._runner.close()

    def ready(self) -> bool:
        """Return whether there is a step to run."""
        return not self._scheduler.idle

    def limit_s(self) -> float:
        """Return how long the next step may take."""
        if self._longest_step_s is None:
            return FIRST_STEP_LIMIT_S
        return max(STEP_LIMIT_S, STEP_LIMIT_TIMES * self._longest_step_s)

    def advance(self) -> None:
        """Run one step."""
        begin = time.perf_counter()
        try:
            self._step()
            took_s = time.perf_counter() - begin
            self._longest_step_s = max(took_s, self._longest_step_s or 0.0)
        except Exception:  # boundary: one fault must not end the engine
            logger.exception("a step failed; its requests end and the batch is made anew")
            rows = list(self._requests)
            self._tell_all()
            self._runner.close()
            self._reset()
            for row in rows:
                self._failed(row, InternalError())

    def _step(self) -> None:
        for row in self._scheduler.admit():
            self._admit(row)
        budget = self._pace.slice_tokens(
            decoding=self._scheduler.decoding, prefilling=self._scheduler.prefilling
        )
        plan = self._scheduler.plan(slice_tokens=budget)
        # Before rows leave: their caches are prefixes then.
        self._runner.limit_prefixes(plan.prefix_bytes)
        if plan.leave:
            self._runner.leave(plan.leave)
        for _ in plan.pause:
            self._paused()
        if plan.prefill:
            # A slice is longer than the interval, which is as good as over then.
            if self._tell_if_told_for(self._tell_interval_s() / 2):
                self._flush()
            self._take(self._prefill(plan))
            self._tell_if_told_for(self._tell_interval_s())
            self._flush()
        if plan.decode:
            self._take(self._decode(plan))
        self._tell_if_told_for(0.0 if self._scheduler.idle else self._tell_interval_s())

    def _admit(self, row: int) -> None:
        request = self._requests[row]
        resumed = self._answers.get(row)
        known = self._runner.add(
            Row(
                id=row,
                prompt=request.prompt,
                sampling=request.sampling,
                guide=request.guide,
                top_logprobs=request.top_logprobs,
                keep_prompt=row in self._following,
                generated=tuple(resumed.tokens) if resumed is not None else (),
            )
        )
        self._scheduler.skip(row, known)
        if resumed is None:
            self._answers[row] = Answer(request, self._model.decoding, self._model.info.stop_tokens)
            self._started(row, known)

    def _prefill(self, plan: StepPlan) -> Tokens:
        begin = time.perf_counter()
        first = self._runner.prefill(plan.prefill)
        self._pace.record(
            tokens=sum(piece.stop - piece.start for piece in plan.prefill),
            seconds=time.perf_counter() - begin,
        )
        return first

    def _decode(self, plan: StepPlan) -> Tokens:
        begin = time.perf_counter()
        tokens = self._runner.decode()
        if not plan.prefill:
            self._pace.record_decode(seconds=time.perf_counter() - begin)
        return tokens

    def _take(self, tokens: Tokens) -> None:
        """Take in new tokens; tell of those that do not wait."""
        for row, token, logprobs, failure in tokens:
            # A row may have ended while its next token was being chosen.
            if (answer := self._answers.get(row)) is None:
                continue
            if failure is not None:
                self.cancel(row, failure)
                continue
            if row in self._following:
                self._release(row, prefilled=True)
            is_first = not answer.tokens
            delta = answer.push(token, logprobs)
            self._untold.setdefault(row, []).append(delta)
            if delta.finish is not None:
                # Who asked may have the next question ready.
                self._tell(row)
                self._end(row)
            elif is_first:
                self._tell(row)

    def _tell(self, row: int) -> None:
        for delta in self._untold.pop(row, ()):
            self._grown(row, delta)

    def _tell_all(self) -> None:
        self._told_s = time.monotonic()
        for row in list(self._untold):
            self._tell(row)

    def _tell_if_told_for(self, seconds: float) -> bool:
        """Tell of all that waits if the last time was so long ago; return whether it was."""
        due = time.monotonic() - self._told_s >= seconds
        if due:
            self._tell_all()
        return due

    def _tell_interval_s(self) -> float:
        wanted_s = TELL_INTERVAL_EACH_S * len(self._answers)
        return min(max(TELL_INTERVAL_S, wanted_s), MAX_TELL_INTERVAL_S)

    def _end(self, row: int) -> None:
        del self._requests[row]
        self._answers.pop(row, None)
        self._scheduler.end(row)
        if row in self._following:
            self._release(row, prefilled=False)
