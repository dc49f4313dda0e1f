"""Decide what the next step does. Pure: no MLX, no clock, no I/O. The loop asks; this answers.

Rows wait in the order they came, at most `max_rows` of them run. Prompts are
prefilled in slices beside the decoding of the others, within a budget of
tokens a step: every other step serves the shortest remainder first, so that a
short prompt is not behind a long one, and the steps between serve the oldest,
so that the long one ends.

A row is let in when there is memory for its prompt and the beginning of its
answer; those behind it wait with it. When a step would take more memory than
there is, the youngest row pauses: it waits before all others, and begins anew
with what it has generated as a part of its prompt. The oldest never pauses, so
every row ends.
"""

from collections import OrderedDict
from dataclasses import dataclass

from bodega.backends.base import Slice, StepPlan
from bodega.engine.budget import (
    CacheBudget,
    Place,
    Tally,
    first_reserve,
    new_place,
    regrouped,
)


@dataclass(slots=True)
class _Row:
    prompt_tokens: int
    max_tokens: int
    prefilled: int = 0
    # Tokens chosen or being chosen: one step more than those that are known.
    chosen: int = 0
    # Those of them that were chosen before it paused, which are prefilled again.
    resumed: int = 0
    # Which batch it decodes in, once it does.
    batch: int = 0

    @property
    def remaining_prompt(self) -> int:
        return self.prompt_tokens + self.resumed - self.prefilled

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.chosen

    @property
    def spent(self) -> bool:
        return self.chosen >= self.max_tokens

    @property
    def next_place(self) -> Place:
        """Where it is when it has one token more, rows that outgrow their batch left aside."""
        tokens = self.tokens + 1
        return new_place(tokens) if self.remaining_prompt else (self.batch, tokens)


class Scheduler:
    """The rows of one model and what each is to do next.

    Attributes:
        taken_bytes: memory that the rows of the step planned last take at most.
    """

    def __init__(self, *, max_rows: int, budget: CacheBudget) -> None:
        """Make one without rows.

        Args:
            max_rows: most rows in prefill and decoding together.
            budget: memory for their caches.
        """
        self.taken_bytes = 0
        self._max_rows = max_rows
        self._budget = budget
        # Both are in the order that rows came in, and every waiting row came after the running.
        self._waiting: OrderedDict[int, _Row] = OrderedDict()
        self._running: OrderedDict[int, _Row] = OrderedDict()
        # What the running rows are, while none comes, goes or is in prefill.
        self._tally: Tally | None = None
        self._leaving: list[int] = []
        self._unread = False
        self._turn = 0

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not (self._waiting or self._running or self._leaving or self._unread)

    @property
    def decoding(self) -> int:
        """How many rows have their prompt behind them."""
        return len(self._running) - self.prefilling

    @property
    def prefilling(self) -> int:
        """How many running rows have not."""
        return sum(1 for row in self._running.values() if row.remaining_prompt)

    def submit(self, row: int, *, prompt_tokens: int, max_tokens: int) -> None:
        """Take a row in; it waits for its turn. Alone it must fit in the memory."""
        self._waiting[row] = _Row(prompt_tokens, max_tokens)

    def admit(self) -> list[int]:
        """Let waiting rows run while there are places and memory; return them, oldest first."""
        admitted: list[int] = []
        while self._waiting and len(self._running) < self._max_rows:
            row, state = next(iter(self._waiting.items()))
            if not self._has_room_for(state):
                break
            del self._waiting[row]
            self._running[row] = state
            self._tally = None
            admitted.append(row)
        return admitted

    def skip(self, row: int, tokens: int) -> None:
        """Take the first tokens that an admitted row prefills as done; not all of them."""
        self._running[row].prefilled = tokens

    def end(self, row: int) -> None:
        """Take a row out: it has ended, or nobody wants it any more."""
        self._waiting.pop(row, None)
        if self._running.pop(row, None) is not None:
            self._leaving.append(row)
            self._tally = None

    def plan(self, *, slice_tokens: int) -> StepPlan:
        """Return the next step and count it as done.

        Args:
            slice_tokens: most prompt tokens to prefill in it, at least one.
        """
        # Rows that need no more tokens leave before the step that would choose one.
        spent = [row for row, state in self._running.items() if state.spent]
        paused = [] if not spent and self._has_room_to_grow() else self._pause()
        slices = self._slices(slice_tokens)
        for piece in slices:
            state = self._running[piece.row]
            state.prefilled = piece.stop
            if state.remaining_prompt == 0:
                state.chosen += 1
                state.batch = new_place(state.tokens)[0]
        decoding = [
            state
            for state in self._running.values()
            if state.remaining_prompt == 0 and not state.spent
        ]
        for state in decoding:
            state.chosen += 1
        leave, self._leaving = (*self._leaving, *spent, *paused), []
        # The tokens of one step are read in the next, so that one may come with nothing to submit.
        decode = bool(decoding) or self._unread
        self._unread = bool(decoding)
        return StepPlan(
            leave=tuple(leave),
            pause=tuple(paused),
            prefill=tuple(slices),
            decode=decode,
            prefix_bytes=max(0, self._budget.soft_bytes - self.taken_bytes),
        )

    def _slices(self, budget: int) -> list[Slice]:
        rows = [(row, state) for row, state in self._running.items() if state.remaining_prompt]
        self._turn += 1
        if self._turn % 2:
            rows.sort(key=lambda pair: pair[1].remaining_prompt)
        slices: list[Slice] = []
        most = budget
        for row, state in rows:
            if budget <= 0:
                break
            if slices and budget < state.remaining_prompt <= most:
                # To run it in two parts costs more than to leave it for the next step.
                break
            stop = state.prefilled + min(budget, state.remaining_prompt)
            slices.append(Slice(row, state.prefilled, stop))
            budget -= stop - state.prefilled
        return slices

    def _has_room_for(self, state: _Row) -> bool:
        others = [other.next_place for other in self._running.values() if not other.spent]
        batch, tokens = new_place(state.tokens + 1)
        reserve = first_reserve(state.max_tokens - state.chosen) - 1
        taken = self._budget.taken_bytes(Tally([*others, (batch, tokens + reserve)]))
        # One alone is let in as long as it fits at all; no others wait to come before it.
        return taken <= (self._budget.soft_bytes if others else self._budget.size_bytes)

    def _has_room_to_grow(self) -> bool:
        """Count a token more for each row; return whether none has to move or pause for it."""
        if self._tally is None or not self._tally.grow():
            return False
        self.taken_bytes = self._budget.taken_bytes(self._tally)
        return self.taken_bytes <= self._budget.size_bytes

    def _pause(self) -> list[int]:
        """Let the youngest rows wait again until the next step fits in the memory; return them."""
        growing = {row: state for row, state in self._running.items() if not state.spent}
        paused: list[int] = []
        while True:
            places = regrouped({row: state.next_place for row, state in growing.items()})
            tally = Tally(places.values())
            self.taken_bytes = self._budget.taken_bytes(tally)
            if self.taken_bytes <= self._budget.size_bytes or len(growing) < 2:
                break
            row, state = growing.popitem()
            del self._running[row]
            state.prefilled, state.resumed = 0, state.chosen
            self._waiting[row] = state
            self._waiting.move_to_end(row, last=False)
            paused.append(row)
        prefilling = False
        for row, state in growing.items():
            state.batch = places[row][0]
            prefilling = prefilling or state.remaining_prompt > 0
        self._tally = None if prefilling else tally
        return paused
