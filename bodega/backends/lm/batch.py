"""Rows that decode together: their caches, their last tokens, and how each goes on."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import mlx.core as mx

from bodega.backends.base import Row
from bodega.backends.lm.head import Forward
from bodega.backends.lm.logprobs import LogprobRows
from bodega.backends.lm.masks import Failures, Masks
from bodega.backends.lm.padded_cache import PaddedCache, merge
from bodega.backends.lm.penalties import Biases, Counts, Penalties
from bodega.backends.lm.sampling import Choice, Sampler
from bodega.backends.lm.step import Step


class Batch:
    """Rows that decode together.

    Every tensor has the rows as its first axis, in the order of `rows`. The
    caches are mlx-lm's batched ones, padded on the left to the longest row.

    Attributes:
        longest: tokens of the longest row, its answer so far included.
    """

    def __init__(self, rows: Sequence[Row], cache: list[Any]) -> None:
        self.rows = list(rows)
        self.cache = cache
        self.tokens = mx.zeros((0,), mx.uint32)
        self._positions = [len(row.generated) for row in self.rows]
        self._counts: Counts | None = None
        # What the last run began with, for `step_back`.
        self._given = self.tokens
        self._counts_before: Counts | None = None
        self._can_step_back = all(type(layer) is PaddedCache for layer in cache)
        self._arrange()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def guided(self) -> bool:
        """Whether a row has a guide, which has to know a token before the next is chosen."""
        return bool(self._masks)

    @property
    def ids(self) -> list[int]:
        """The rows' ids."""
        return [row.id for row in self.rows]

    def lengths(self) -> list[tuple[int, int]]:
        """Return each row's id and its tokens, its answer so far included."""
        return [
            (row.id, len(row.prompt) + at)
            for row, at in zip(self.rows, self._positions, strict=True)
        ]

    def first(self, logits: mx.array) -> Step:
        """Choose each row's next token from the logits at the end of what was prefilled of it."""
        if self._penalties:
            size = logits.shape[-1]
            self._counts = self._penalties.stack(
                [Counts.of(row, size) if row.sampling.penalizes else None for row in self.rows]
            )
        return self.choose(logits)

    def run(self, forward: Forward) -> mx.array:
        """Run each row's last token, which may be lazy as the logits are that are returned."""
        self._given, self._counts_before = self.tokens, self._counts
        if self._counts is not None:
            self._counts = self._penalties.count(self._counts, self.tokens)
        return forward.last(self.tokens[:, None], self.cache)

    def step_back(self, right: Mapping[int, int], *, chosen: bool) -> bool:
        """Undo `run` where it ran a wrong token, so that it can run the right one.

        Args:
            right: the right tokens of rows that were given wrong ones, by their ids.
            chosen: whether a token has been chosen since.

        Returns:
            Whether one of the rows is here.
        """
        if right.keys().isdisjoint(self.ids):
            return False
        last: list[int] = self._given.tolist()  # type: ignore[assignment]
        self.tokens = mx.array(
            [right.get(row.id, token) for row, token in zip(self.rows, last, strict=True)],
            mx.uint32,
        )
        for layer in self.cache:
            layer.trim(1)
        self._counts = self._counts_before
        if chosen:
            self._positions = [at - 1 for at in self._positions]
            self.longest -= 1
        return True

    def choose(self, logits: mx.array) -> Step:
        """Choose each row's next token from the logits after its last; lazy.

        Guides must know of all tokens before it. Where `step_back` is possible, what is chosen may
        have to be corrected; the step tells of it.
        """
        asked = self._logprobs.ask(logits) if self._logprobs else None
        if self._counts is not None:
            logits = self._penalties.apply(logits, self._counts)
        if self._biases:
            logits = self._biases.apply(logits)
        failures: Failures = {}
        if self._masks:
            logits, failures = self._masks.apply(logits)
        choice = (
            self._sampler.choose(logits, self._positions)
            if self._can_step_back
            else Choice(self._sampler(logits, self._positions))
        )
        again = None
        if choice.unsure is not None:
            again = partial(self._sampler.choose_widely, logits, self._positions)
        self.tokens = choice.tokens
        if asked is not None:
            asked.chose(self.tokens)
        self._positions = [at + 1 for at in self._positions]
        self.longest += 1
        return Step(
            rows=self.rows,
            tokens=self.tokens,
            unsure=choice.unsure,
            again=again,
            asked=asked,
            failures=failures,
            guided=bool(self._masks),
        )

    def extend(self, other: "Batch") -> None:
        """Take in the rows of another batch, which is used up."""
        for mine, theirs in zip(self.cache, other.cache, strict=True):
            mine.extend(theirs)
        self.tokens = mx.concatenate([self.tokens, other.tokens])
        counts = self._split_counts() + other._split_counts()
        # A new list: steps under way hold the old one.
        self.rows = [*self.rows, *other.rows]
        self._positions += other._positions
        self._arrange(counts)

    def extract(self, row: int) -> tuple[list[Any], int]:
        """Return a cache of one row alone, and how many tokens of its answer are in it."""
        at = self.ids.index(row)
        return [layer.extract(at) for layer in self.cache], self._positions[at] - 1

    def split(self, ids: set[int]) -> "Batch":
        """Take rows out into a batch of their own."""
        chosen = [at for at, row in enumerate(self.rows) if row.id in ids]
        counts = self._split_counts()
        caches = [[layer.extract(at) for layer in self.cache] for at in chosen]
        taken = Batch([self.rows[at] for at in chosen], merge(caches))
        taken.tokens = self.tokens[mx.array(chosen)]
        taken._positions = [self._positions[at] for at in chosen]
        taken._arrange([counts[at] for at in chosen])
        self.leave(ids)
        return taken

    def leave(self, ids: set[int]) -> None:
        """Let rows go; ids that are not here are passed over."""
        keep = _kept([row.id not in ids for row in self.rows])
        if len(keep) == len(self.rows):
            return
        counts = self._split_counts()
        if keep:
            for layer in self.cache:
                layer.filter(keep)
            self.tokens = self.tokens[mx.array(keep)]
        else:
            self.cache, self.tokens = [], mx.zeros((0,), mx.uint32)
        self.rows = [self.rows[at] for at in keep]
        self._positions = [self._positions[at] for at in keep]
        self._arrange([counts[at] for at in keep])

    def _arrange(self, counts: Sequence[Counts | None] = ()) -> None:
        self.longest = max((tokens for _, tokens in self.lengths()), default=0)
        sampling = [row.sampling for row in self.rows]
        self._sampler = Sampler(sampling)
        self._penalties = Penalties(sampling)
        self._biases = Biases(sampling)
        self._masks = Masks(self.rows)
        self._logprobs = LogprobRows(self.rows)
        self._counts = self._penalties.stack(counts) if self._penalties and counts else None

    def _split_counts(self) -> list[Counts | None]:
        if self._counts is None:
            return [None] * len(self.rows)
        return self._penalties.split(self._counts, len(self.rows))


def _kept(stays: Sequence[bool]) -> list[int]:
    """Return the places of the rows that stay, of which the last go where others have left."""
    places = [at for at, one in enumerate(stays) if one]
    last = [at for at in places if at >= len(places)]
    return [at if stays[at] else last.pop() for at in range(len(places))]
