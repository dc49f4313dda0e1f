"""What the caches of rows cost in memory. Pure: plain numbers, which a backend measured."""

from dataclasses import dataclass

from bodega.backends.lengths import PAGE_TOKENS

_MOST_TOKENS = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheCost:
    """What one model's caches take.

    Attributes:
        token_bytes: for each token, in caches that keep all of them.
        windows: of caches that keep the last tokens: bytes for each, and how many they keep.
        row_bytes: for a row however long it is: states of a fixed size.
    """

    token_bytes: int = 0
    windows: tuple[tuple[int, int], ...] = ()
    row_bytes: int = 0

    def bytes(self, *, rows: int, tokens: int) -> int:
        """Return the most that the caches of a batch take.

        Args:
            rows: its rows.
            tokens: the longest of them, to which all are padded.
        """
        # Caches grow by a page at a time.
        columns = tokens + PAGE_TOKENS
        each = self.row_bytes + self.token_bytes * columns
        for token_bytes, most_tokens in self.windows:
            each += token_bytes * min(columns, most_tokens)
        return rows * each

    def longest(self, size_bytes: int) -> int:
        """Return the length in tokens that a row alone can reach in some memory, at least 0."""
        low, high = 0, _MOST_TOKENS
        while low < high:
            middle = (low + high + 1) // 2
            fits = self.bytes(rows=1, tokens=middle) <= size_bytes
            low, high = (middle, high) if fits else (low, middle - 1)
        return low
