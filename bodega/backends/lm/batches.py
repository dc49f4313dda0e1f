"""Batches by length: a batch pads its rows to the longest, so short rows stay among short ones."""

from collections.abc import Iterable, Iterator

import mlx.core as mx

from bodega.backends.lengths import length_class, most_in_class, outgrown
from bodega.backends.lm.batch import Batch
from bodega.backends.lm.head import Forward


class Batches:
    """The rows that decode, in one batch for each class of lengths."""

    def __init__(self) -> None:
        self._by_class: dict[int, Batch] = {}

    def __bool__(self) -> bool:
        return bool(self._by_class)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._by_class.values())

    def join(self, batches: Iterable[Batch]) -> None:
        """Take in the rows of some batches, which are used up.

        They are put together before they join the others: to extend a batch is to copy it.
        """
        for number, batch in _by_class(batches).items():
            if number in self._by_class:
                self._by_class[number].extend(batch)
            else:
                self._by_class[number] = batch

    def leave(self, rows: set[int]) -> None:
        """Let rows go; ids that are not here are passed over."""
        for number, batch in list(self._by_class.items()):
            batch.leave(rows)
            if not batch:
                del self._by_class[number]

    def of(self, row: int) -> Batch | None:
        """Return the batch that a row is in."""
        return next((batch for batch in self if row in batch.ids), None)

    def run(self, forward: Forward) -> list[tuple[Batch, mx.array]]:
        """Run the last token of every row; return each batch with its logits, lazy."""
        return [(batch, batch.run(forward)) for batch in self]

    def sort(self) -> None:
        """Move rows that have outgrown their class to their own."""
        grown = []
        for number, batch in list(self._by_class.items()):
            if batch.longest <= most_in_class(number):
                continue
            rows = outgrown(number, batch.lengths())
            if len(rows) < len(batch):
                grown.append(batch.split(rows))
            else:
                grown.append(self._by_class.pop(number))
        self.join(grown)


def _by_class(batches: Iterable[Batch]) -> dict[int, Batch]:
    """Return one batch for each class of lengths."""
    found: dict[int, Batch] = {}
    for batch in batches:
        number = length_class(batch.longest)
        if number in found:
            found[number].extend(batch)
        else:
            found[number] = batch
    return found
