"""Keeps what prefill computed, so that the same prefix is not computed twice.

An entry is the cache of one row over a sequence of tokens. A prompt is looked
up by hashes of its blocks, each chained to the one before, so that a look-up
costs one hash a block however many entries there are. Attention caches can be
cut, so any common prefix serves; rotating and state-space caches cannot, and
serve only if the prompt begins with all of their tokens.
"""

import copy
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import KVCache, can_trim_prompt_cache, trim_prompt_cache

from bodega.backends.base import PrefixStats

Caches = list[Any]
"""One of mlx-lm's cache objects a layer, of a single row."""

BLOCK_TOKENS = 32
"""Tokens a hash; also the shortest prefix that counts: chat templates share a few tokens."""


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    tokens: Sequence[int]
    cache: Caches
    size_bytes: int
    blocks: tuple[int, ...]
    can_be_cut: bool


class PrefixCache:
    """Caches of prefixes within a budget of bytes; the least recently used go first."""

    def __init__(self, budget_bytes: int) -> None:
        self.stats = PrefixStats()
        self._budget_bytes = self._limit_bytes = budget_bytes
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._by_block: dict[int, dict[int, None]] = {}
        self._next = 0

    def find(self, tokens: Sequence[int]) -> tuple[int, Caches | None]:
        """Return the longest prefix of a prompt that is here, and a cache of it.

        At least the last token is left to compute, for its logits.

        Returns:
            The number of tokens, 0 if there is none, and the cache of a row
            that has just them, which is the caller's to change.
        """
        number, shared = self._longest(tokens)
        if number is None:
            self.stats.misses += 1
            return 0, None
        self._entries.move_to_end(number)
        self.stats.hits += 1
        self.stats.hit_tokens += shared
        entry = self._entries[number]
        return shared, _copy(entry.cache, without=len(entry.tokens) - shared)

    def keep(self, tokens: Sequence[int], cache: Caches) -> None:
        """Take in the cache of a row over exactly these tokens; it is not to be changed any more.

        Entries that the new one covers are dropped; so is one that is itself
        covered, too short or too large.
        """
        if len(tokens) < BLOCK_TOKENS or self._covers(tokens):
            return
        cache = _copy(cache, without=0)
        entry = _Entry(
            tokens=tokens,
            cache=cache,
            size_bytes=sum(layer.nbytes for layer in cache),
            blocks=tuple(_blocks(tokens)),
            can_be_cut=can_trim_prompt_cache(cache),
        )
        if entry.size_bytes > self._limit_bytes:
            return
        # Not waited for: a row's cache is cut out of its batch behind the step in flight.
        mx.async_eval([layer.state for layer in cache])  # type: ignore[no-untyped-call]
        self._drop_covered_by(entry)
        self._add(entry)
        self.shrink(self._limit_bytes)

    def limit(self, size_bytes: int) -> None:
        """Take at most this much memory from now on, and never more than the budget."""
        self._limit_bytes = min(size_bytes, self._budget_bytes)
        self.shrink(self._limit_bytes)

    def shrink(self, size_bytes: int) -> None:
        """Drop entries until at most this much memory is taken."""
        while self._entries and self.stats.size_bytes > size_bytes:
            self._drop(next(iter(self._entries)))
            self.stats.evictions += 1

    def _longest(self, tokens: Sequence[int]) -> tuple[int | None, int]:
        best: int | None = None
        longest = BLOCK_TOKENS - 1
        seen: set[int] = set()
        for block in reversed(self._known(tokens)):
            for number in self._by_block[block]:
                if number in seen:
                    continue
                seen.add(number)
                entry = self._entries[number]
                shared = _common(entry.tokens, tokens)
                if shared == len(tokens):
                    shared -= 1
                usable = entry.can_be_cut or shared == len(entry.tokens)
                if usable and shared > longest:
                    best, longest = number, shared
            if best is not None and self._entries[best].can_be_cut:
                break  # shallower blocks belong to shorter prefixes
        return best, longest

    def _known(self, tokens: Sequence[int]) -> list[int]:
        """Return the hashes of the prompt's blocks that some entry has, shallow ones first."""
        known = []
        for block in _blocks(tokens):
            if block not in self._by_block:
                break
            known.append(block)
        return known

    def _covers(self, tokens: Sequence[int]) -> bool:
        """Return whether an entry holds all of these tokens, and can serve them."""
        last_block = deque(_blocks(tokens), maxlen=1).pop()
        for number in self._by_block.get(last_block, ()):
            entry = self._entries[number]
            serves = entry.can_be_cut or len(entry.tokens) == len(tokens)
            if serves and _common(entry.tokens, tokens) == len(tokens):
                self._entries.move_to_end(number)
                return True
        return False

    def _drop_covered_by(self, new: _Entry) -> None:
        if not new.can_be_cut:
            return  # what it covers may serve prompts that it cannot
        for number in list(self._by_block.get(new.blocks[0], ())):
            old = self._entries[number].tokens
            if len(old) <= len(new.tokens) and _common(old, new.tokens) == len(old):
                self._drop(number)

    def _add(self, entry: _Entry) -> None:
        number, self._next = self._next, self._next + 1
        self._entries[number] = entry
        for block in entry.blocks:
            self._by_block.setdefault(block, {})[number] = None
        self.stats.entries += 1
        self.stats.size_bytes += entry.size_bytes

    def _drop(self, number: int) -> None:
        entry = self._entries.pop(number)
        for block in entry.blocks:
            holders = self._by_block[block]
            del holders[number]
            if not holders:
                del self._by_block[block]
        self.stats.entries -= 1
        self.stats.size_bytes -= entry.size_bytes


def _blocks(tokens: Sequence[int]) -> Iterator[int]:
    """Return a hash for each whole block of tokens, over it and all before it."""
    chained = 0
    for start in range(0, len(tokens) - BLOCK_TOKENS + 1, BLOCK_TOKENS):
        chained = hash((chained, *tokens[start : start + BLOCK_TOKENS]))
        yield chained


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two sequences begin with alike."""
    least = min(len(one), len(other))
    if one[:least] == other[:least]:
        return least
    low, high = 0, least
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle)
    return low


def _copy(cache: Caches, *, without: int) -> Caches:
    """Return caches without the last tokens that share no array object with the given ones.

    MLX arrays are changed in place through the object that holds them, so the
    objects are made anew; the memory is shared where slices can share it.
    """
    if all(type(layer) is KVCache for layer in cache):
        return [_cut(layer, layer.offset - without) for layer in cache]
    copies = copy.deepcopy(cache)
    if without:
        trim_prompt_cache(copies, without)
    return copies


def _cut(layer: KVCache, tokens: int) -> KVCache:
    cut = KVCache()
    cut.keys = layer.keys[..., :tokens, :]
    cut.values = layer.values[..., :tokens, :]
    cut.offset = tokens
    return cut
