"""Which rows decode together, by their lengths. Pure: the engine counts by it, a backend does it.

A batch pads its rows to the longest. Sixteen rows of ten tokens take 20 KB; with
one of 10,000 tokens in their batch they would take a thousand times as much, and
every step would run over it. So each class of lengths has a batch of its own.
"""

from collections.abc import Iterable
from typing import Final

SHORTEST_TOKENS: Final = 512
"""Rows up to this length are decoded together."""

GROWTH: Final = 4
"""Each class of lengths reaches this many times as far as the one before."""

PAGE_TOKENS: Final = 256
"""Tokens by which caches grow, and by which a row may outgrow its class: to move rows is to copy
two batches, so rows that grow together move together."""


def length_class(tokens: int) -> int:
    """Return the class of a row by its length in tokens."""
    number, bound = 0, SHORTEST_TOKENS
    while tokens > bound:
        number, bound = number + 1, bound * GROWTH
    return number


def most_in_class(number: int) -> int:
    """Return the most tokens that a row of a class may have before rows move on."""
    return SHORTEST_TOKENS * int(GROWTH**number) + PAGE_TOKENS


def outgrown(number: int, rows: Iterable[tuple[int, int]]) -> set[int]:
    """Return the rows that are to leave a class: all past its bound, once one is by a page.

    Args:
        number: the class.
        rows: its rows and their lengths in tokens.
    """
    most = most_in_class(number)
    past = [(row, tokens) for row, tokens in rows if tokens > most - PAGE_TOKENS]
    return {row for row, _ in past} if any(tokens > most for _, tokens in past) else set()
