"""Penalties on tokens that were seen, and biases.

The counts of tokens live on the device, beside the batch.
"""

from collections.abc import Sequence

import mlx.core as mx

from bodega.backends.base import Row, Sampling


class Penalties:
    """The penalties of those rows of a batch that have any.

    Counts are float32 of shape (penalized rows, vocabulary): how often the
    answer holds each token, and whether the prompt does.
    """

    def __init__(self, rows: Sequence[Sampling]) -> None:
        self._index = [at for at, row in enumerate(rows) if row.penalizes]
        if not self._index:
            return
        chosen = [rows[at] for at in self._index]
        self._at = mx.array(self._index)
        self._line = mx.arange(len(chosen))
        self._repetition = mx.array([[row.repetition_penalty] for row in chosen], mx.float32)
        self._presence = mx.array([[row.presence_penalty] for row in chosen], mx.float32)
        self._frequency = mx.array([[row.frequency_penalty] for row in chosen], mx.float32)

    def __bool__(self) -> bool:
        return bool(self._index)

    def stack(self, counts: Sequence["Counts | None"]) -> "Counts":
        """Return the counts of the penalized rows, stacked, from those of all rows."""
        chosen = [one for at in self._index if (one := counts[at]) is not None]
        return Counts(
            generated=mx.concatenate([one.generated for one in chosen]),
            prompt=mx.concatenate([one.prompt for one in chosen]),
        )

    def split(self, stacked: "Counts", rows: int) -> list["Counts | None"]:
        """Return the counts of each row of the batch; the inverse of `stack`."""
        counts: list[Counts | None] = [None] * rows
        for line, at in enumerate(self._index):
            counts[at] = Counts(
                generated=stacked.generated[line : line + 1],
                prompt=stacked.prompt[line : line + 1],
            )
        return counts

    def count(self, stacked: "Counts", tokens: mx.array) -> "Counts":
        """Return the counts with one more token a row; tokens has shape (rows,)."""
        generated = stacked.generated.at[self._line, tokens[self._at]].add(1.0)
        return Counts(generated=generated, prompt=stacked.prompt)

    def apply(self, logits: mx.array, stacked: "Counts") -> mx.array:
        """Return the logits, shape (rows, vocabulary), with the penalties taken.

        Repetition as in Keskar et al., "CTRL", 2019; presence and frequency as
        OpenAI defines them.
        """
        own = logits[self._at]
        seen = mx.maximum(stacked.generated, stacked.prompt) > 0
        repeated = mx.where(own > 0, own / self._repetition, own * self._repetition)
        own = mx.where(seen, repeated, own)
        own = own - self._frequency * stacked.generated
        own = own - self._presence * (stacked.generated > 0)
        logits[self._at] = own
        return logits


class Biases:
    """What those rows of a batch that ask for it add to the logits of some tokens."""

    def __init__(self, rows: Sequence[Sampling]) -> None:
        found = [(at, token, bias) for at, row in enumerate(rows) for token, bias in row.biases]
        self._any = bool(found)
        if found:
            places, tokens, values = zip(*found, strict=True)
            self._rows, self._tokens = mx.array(list(places)), mx.array(list(tokens))
            self._values = mx.array(list(values), mx.float32)

    def __bool__(self) -> bool:
        return self._any

    def apply(self, logits: mx.array) -> mx.array:
        """Return the logits, shape (rows, vocabulary), with the biases added."""
        return logits.at[self._rows, self._tokens].add(self._values)


class Counts:
    """Token counts, float32 of shape (rows, vocabulary), of answers and of prompts."""

    __slots__ = ("generated", "prompt")

    def __init__(self, *, generated: mx.array, prompt: mx.array) -> None:
        self.generated = generated
        self.prompt = prompt

    @classmethod
    def of(cls, row: Row, vocabulary_size: int) -> "Counts":
        """Return the counts of a row with what it has generated so far."""
        seen = mx.zeros((1, vocabulary_size))
        seen[:, mx.array(sorted(set(row.prompt)))] = 1.0
        generated = mx.zeros((1, vocabulary_size))
        if row.generated:
            generated = generated.at[:, mx.array(list(row.generated))].add(1.0)
        return cls(generated=generated, prompt=seen)
