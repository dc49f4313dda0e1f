"""A runner that is played: it follows plans, and counts what they ask for and what that takes."""

from collections import Counter

from bodega.backends.base import StepPlan
from bodega.backends.cache_cost import CacheCost
from bodega.backends.lengths import length_class, outgrown
from bodega.engine.scheduler import Scheduler


class Played:
    """Hands tokens back as a runner would, those of one step in the next.

    Attributes:
        rows: the prompt tokens of each row, and how many it is to generate.
        prefilled: tokens prefilled of each row since it was let in last.
        tokens: tokens that each row has got.
        running: rows that were let in, and have neither ended nor been paused.
        ended: how often each row has ended.
    """

    def __init__(self, scheduler: Scheduler, rows: dict[int, tuple[int, int]]) -> None:
        self.scheduler = scheduler
        self.rows = rows
        self.prefilled: Counter[int] = Counter()
        self.tokens: Counter[int] = Counter()
        self.running: set[int] = set()
        self.ended: Counter[int] = Counter()
        self._batches: dict[int, dict[int, int]] = {}
        self._submitted: list[int] = []

    def step(self, slice_tokens: int) -> StepPlan:
        """Run a step as planned."""
        for row in self.scheduler.admit():
            assert row not in self.running
            self.running.add(row)
            self.prefilled[row] = 0
            # Nobody is let in before someone who came earlier, paused ones included.
            assert all(self.ended[other] or other in self.running for other in range(row))
        plan = self.scheduler.plan(slice_tokens=slice_tokens)
        assert set(plan.pause) <= set(plan.leave)
        self.running.difference_update(plan.pause)
        for batch in self._batches.values():
            for row in plan.leave:
                batch.pop(row, None)
        for piece in plan.prefill:
            assert piece.row in self.running
            assert piece.start == self.prefilled[piece.row]
            self.prefilled[piece.row] = piece.stop
            # What was generated before a pause is prefilled too, to the last token.
            if piece.stop == self.rows[piece.row][0] + self.tokens[piece.row]:
                self._join(piece.row, piece.stop + 1)
                self._token(piece.row)
        if plan.decode:
            read, self._submitted = self._submitted, self._decode()
            for row in read:
                self._token(row)
        return plan

    def end(self, row: int) -> None:
        """End a row: it has all its tokens, or nobody wants it any more."""
        if self.ended[row]:
            return
        self.ended[row] += 1
        self.running.discard(row)
        self.scheduler.end(row)

    def taken_bytes(self, cost: CacheCost) -> int:
        """Return what the caches of all rows take: of batches, and of prompts on their way."""
        decoding = {row for batch in self._batches.values() for row in batch}
        alone = [self.prefilled[row] for row in self.running - decoding]
        return sum(cost.bytes(rows=1, tokens=tokens) for tokens in alone if tokens) + sum(
            # The last token of a row has not been through the model.
            cost.bytes(rows=len(batch), tokens=max(batch.values()) - 1)
            for batch in self._batches.values()
            if batch
        )

    def _join(self, row: int, tokens: int) -> None:
        self._batches.setdefault(length_class(tokens), {})[row] = tokens

    def _decode(self) -> list[int]:
        for batch in self._batches.values():
            for row in batch:
                batch[row] += 1
        for number in list(self._batches):
            for row in outgrown(number, self._batches[number].items()):
                self._join(row, self._batches[number].pop(row))
        return [row for batch in self._batches.values() for row in batch]

    def _token(self, row: int) -> None:
        if self.ended[row]:
            return
        self.tokens[row] += 1
        if self.tokens[row] == self.rows[row][1]:
            self.end(row)
