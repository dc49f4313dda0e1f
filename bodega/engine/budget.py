"""How much memory rows take, and how much there is. Pure: no device, no clock.

A batch pads its rows to the longest, and rows of about one length share a batch.
So what a row takes depends on its company: the cost of some rows is, summed over
the classes of their lengths, rows times the longest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bodega.backends.cache_cost import CacheCost
from bodega.backends.lengths import PAGE_TOKENS, length_class, most_in_class, outgrown
from bodega.errors import InsufficientMemory

SOFT_SHARE: Final = 0.85
"""Share of the memory above which nobody is let in beside others, and no prefix is kept."""

Place = tuple[int, int]
"""The class of lengths whose batch a row is in, and its length in tokens."""


class Tally:
    """How many rows each batch has, and how long the longest of them is, by class of lengths."""

    def __init__(self, places: Iterable[Place]) -> None:
        self.rows: dict[int, int] = {}
        self.longest: dict[int, int] = {}
        for number, tokens in places:
            self.rows[number] = self.rows.get(number, 0) + 1
            self.longest[number] = max(tokens, self.longest.get(number, 0))

    def grow(self) -> bool:
        """Count one token more for every row; return whether all may stay in their batches."""
        stays = True
        for number in self.longest:
            self.longest[number] += 1
            stays = stays and self.longest[number] <= most_in_class(number)
        return stays


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheBudget:
    """The memory for the caches of one model's rows.

    Attributes:
        cost: what caches take.
        size_bytes: how much there is.
    """

    cost: CacheCost
    size_bytes: int

    @property
    def soft_bytes(self) -> int:
        """What rows and prefixes together may take before the prefixes give way."""
        return int(SOFT_SHARE * self.size_bytes)

    def taken_bytes(self, tally: "Tally") -> int:
        """Return the most that the caches of tallied rows take."""
        return sum(
            self.cost.bytes(rows=rows, tokens=tally.longest[number])
            for number, rows in tally.rows.items()
        )

    def most_tokens(self, *, prompt_tokens: int, max_tokens: int) -> int:
        """Return how many of the tokens that an answer may have fit in the memory.

        Raises:
            InsufficientMemory: not even a page of the answer fits, with no other row there.
        """
        first = first_reserve(max_tokens)
        room = self.cost.longest(self.size_bytes) - prompt_tokens
        if room < first:
            raise InsufficientMemory(
                prompt_tokens=prompt_tokens,
                needed_bytes=self.cost.bytes(rows=1, tokens=prompt_tokens + first),
                available_bytes=self.size_bytes,
            )
        return min(max_tokens, room)


def first_reserve(max_tokens: int) -> int:
    """Return how many tokens more there must be room for when a row is let in: a page at most.

    Reserving all that it may generate would let a single request without max_tokens keep
    everybody else out.
    """
    return min(PAGE_TOKENS, max_tokens)


def new_place(tokens: int) -> Place:
    """Return the place of a row that joins, or will join, the batch of its class."""
    return length_class(tokens), tokens


def regrouped(places: Mapping[int, Place]) -> dict[int, Place]:
    """Return where rows are after those that have outgrown their class have moved."""
    moved = dict(places)
    for number in {number for number, tokens in places.values() if tokens > most_in_class(number)}:
        inside = [(row, tokens) for row, (own, tokens) in places.items() if own == number]
        for row in outgrown(number, inside):
            moved[row] = new_place(places[row][1])
    return moved
