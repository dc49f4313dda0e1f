"""Runs the rows of one language model: prompts in slices, and one token for all at a step."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.cache import KVCache, make_prompt_cache

from bodega.backends.base import PrefixStats, Row, Slice, Tokens
from bodega.backends.lengths import length_class
from bodega.backends.lm.batch import Batch
from bodega.backends.lm.batches import Batches
from bodega.backends.lm.head import Forward
from bodega.backends.lm.padded_cache import merge
from bodega.backends.lm.prefix import BLOCK_TOKENS, PrefixCache
from bodega.backends.lm.step import Step

TIDY_STEPS = 256
"""Steps between returns of MLX's spare buffers, of which growing caches leave odd sizes behind."""

IDLE_SPARE_BYTES = 256 * 1024 * 1024
"""Spare buffers that MLX may keep for the next request while nobody asks anything."""

SHARED_PROMPT_TOKENS = 256
"""Prompts from this length are kept as soon as they are prefilled, for requests beside them."""


@dataclass(slots=True)
class _Prompt:
    row: Row
    tokens: Sequence[int]
    cache: list[Any]
    done: int


@dataclass(slots=True)
class _Answer:
    prompt: Sequence[int]
    tokens: list[int] = field(default_factory=list)


class LmRunner:
    """Implements `bodega.backends.base.TextRunner` with mlx-lm's models and caches."""

    def __init__(
        self,
        model: nn.Module,
        forward: Forward,
        *,
        turn_ends: Set[int],
        prefix_cache_bytes: int,
    ) -> None:
        """Make one without rows.

        Args:
            model: the model.
            forward: runs it.
            turn_ends: tokens that end a message; caches that cannot be cut are kept there.
            prefix_cache_bytes: memory for prefixes that may be used again.
        """
        self._model = model
        self._forward = forward
        self._turn_ends = turn_ends
        self._prefixes = PrefixCache(prefix_cache_bytes)
        # Rotating caches say that they can be cut, until they are full.
        self._can_be_cut = all(type(layer) is KVCache for layer in make_prompt_cache(model))
        self._prompts: dict[int, _Prompt] = {}
        self._answers: dict[int, _Answer] = {}
        self._batches = Batches()
        self._submitted: list[Step] = []
        self._steps = 0

    @property
    def prefix_stats(self) -> PrefixStats:
        """What reusing prefixes did; a copy, which any thread may read."""
        return replace(self._prefixes.stats)

    def add(self, row: Row) -> int:
        """Take a row in; return how many of its prompt's first tokens need no prefill."""
        tokens = row.tokens
        known, cache = self._prefixes.find(tokens)
        self._prompts[row.id] = _Prompt(row, tokens, cache or make_prompt_cache(self._model), known)
        return known

    def leave(self, rows: Sequence[int]) -> None:
        """Forget rows; what was computed for them is kept while there is room."""
        for row in rows:
            if (prompt := self._prompts.pop(row, None)) is not None:
                self._prefixes.keep(prompt.tokens[: prompt.done], prompt.cache)
            elif (batch := self._batches.of(row)) is not None:
                answer = self._answers.pop(row)
                # The last token chosen has not been through the model.
                cache, fed = batch.extract(row)
                self._prefixes.keep([*answer.prompt, *answer.tokens[:fed]], cache)
        self._batches.leave(set(rows))
        self._give_back_spare()

    def prefill(self, slices: Sequence[Slice]) -> Tokens:
        """Run slices of prompts; return the first token of each row whose prompt ended.

        Prompts that are run to their ends and are about as long are run together.
        """
        last = [piece for piece in slices if self._ends(piece) and not self._to_keep(piece)]
        groups = [group for group in _alike(last) if len(group) > 1]
        together = {piece.row for group in groups for piece in group}
        steps = [self._prefill_together(group) for group in groups]
        for piece in slices:
            if piece.row not in together and (step := self._prefill_slice(piece)) is not None:
                steps.append(step)
        for batch, begun in steps:
            for row in batch.rows:
                self._answers[row.id] = _Answer(row.prompt, list(row.generated))
            if begun.correct():
                batch.tokens = begun.tokens
        first = self._read([step for _, step in steps])
        self._batches.join([batch for batch, _ in steps])
        return first

    def decode(self) -> Tokens:
        """Submit one token for each row that decodes; return those submitted before.

        Rows with a guide are told of those before the next are chosen, while the device
        computes the logits; all others do not wait for that. Where one of those before turns
        out to be wrong, which is seldom, the step that was submitted with it is made again.
        """
        before = self._submitted
        run = self._batches.run(self._forward)
        steps = [(batch, batch.choose(logits)) for batch, logits in run if not batch.guided]
        guided = [(batch, logits) for batch, logits in run if batch.guided]
        _submit([step for _, step in steps], beside=[logits for _, logits in guided])
        if right := {row: token for step in before for row, token in step.correct().items()}:
            steps = [
                (batch, batch.choose(batch.run(self._forward)))
                if batch.step_back(right, chosen=True)
                else (batch, step)
                for batch, step in steps
            ]
            guided = [
                (batch, batch.run(self._forward))
                if batch.step_back(right, chosen=False)
                else (batch, logits)
                for batch, logits in guided
            ]
            _submit([step for _, step in steps], beside=[logits for _, logits in guided])
        read = self._read(before)
        if guided:
            told = [(batch, batch.choose(logits)) for batch, logits in guided]
            _submit([step for _, step in told])
            steps += told
        self._submitted = [step for _, step in steps]
        self._steps += 1
        self._batches.sort()
        if self._steps % TIDY_STEPS == 0:
            mx.clear_cache()
        self._give_back_spare()
        return read

    def limit_prefixes(self, size_bytes: int) -> None:
        """Drop prefixes until they take at most this much memory, and keep no more from now on."""
        self._prefixes.limit(size_bytes)

    def close(self) -> None:
        """Drop all rows and caches."""
        self._prompts.clear()
        self._answers.clear()
        self._batches = Batches()
        self._submitted = []
        self._prefixes.shrink(0)

    def _give_back_spare(self) -> None:
        # After a row has left, and again when the step that was in flight then has been read.
        if not (self._prompts or self._batches) and mx.get_cache_memory() > IDLE_SPARE_BYTES:
            mx.clear_cache()

    def _read(self, steps: Sequence[Step]) -> Tokens:
        tokens = [chosen for step in steps for chosen in step.read()]
        for chosen in tokens:
            if (answer := self._answers.get(chosen.row)) is not None:
                answer.tokens.append(chosen.token)
        return tokens

    def _ends(self, piece: Slice) -> bool:
        return piece.stop == len(self._prompts[piece.row].tokens)

    def _to_keep(self, piece: Slice) -> list[int]:
        """Return the places within a slice at which its cache is worth keeping.

        A cache that can be cut serves every prefix, so the end of a long prompt
        will do. One that cannot be is kept at the end of the first message,
        which others may share, and of the last one, where the next turn goes on;
        and before the last token, from which the same prompt goes on.
        """
        prompt = self._prompts[piece.row]
        tokens, shared = prompt.tokens, prompt.row.keep_prompt
        if self._can_be_cut:
            whole = piece.stop == len(tokens) and (shared or len(tokens) >= SHARED_PROMPT_TOKENS)
            return [piece.stop] if whole else []
        ends = [at + 1 for at, token in enumerate(tokens) if token in self._turn_ends]
        ends = [*ends[:1], *ends[-1:]]
        if shared:
            ends.append(len(tokens) - 1)
        return [
            end
            for end in sorted(set(ends))
            if max(BLOCK_TOKENS - 1, piece.start) < end <= piece.stop
        ]

    def _prefill_together(self, pieces: Sequence[Slice]) -> tuple[Batch, Step]:
        prompts = [self._prompts.pop(piece.row) for piece in pieces]
        lengths = [_size(piece) for piece in pieces]
        longest = max(lengths)
        padding = [longest - length for length in lengths]
        cache = merge([prompt.cache for prompt in prompts])
        tokens = mx.array(
            [
                [*prompt.tokens[piece.start :], *[0] * pad]
                for prompt, piece, pad in zip(prompts, pieces, padding, strict=True)
            ]
        )
        if any(padding):
            for layer in cache:
                layer.prepare(lengths=lengths, right_padding=padding)
        batch = Batch([prompt.row for prompt in prompts], cache)
        step = batch.first(self._forward.last(tokens, cache, lengths))
        if any(padding):
            for layer in cache:
                layer.finalize()
        mx.eval(*step.arrays(), [layer.state for layer in cache])
        return batch, step

    def _prefill_slice(self, piece: Slice) -> tuple[Batch, Step] | None:
        prompt = self._prompts[piece.row]
        ends = self._ends(piece)
        start = piece.start
        logits = None
        for stop in sorted({*self._to_keep(piece), piece.stop}):
            tokens = mx.array([prompt.tokens[start:stop]])
            if ends and stop == piece.stop:
                logits = self._forward.last(tokens, prompt.cache)
            else:
                self._forward.run(tokens, prompt.cache)
                mx.eval([layer.state for layer in prompt.cache])
            prompt.done = start = stop
            if stop in self._to_keep(piece):
                self._prefixes.keep(prompt.tokens[:stop], prompt.cache)
        if logits is None:
            return None
        del self._prompts[piece.row]
        batch = Batch([prompt.row], merge([prompt.cache]))
        step = batch.first(logits)
        mx.eval(*step.arrays(), [layer.state for layer in batch.cache])
        return batch, step


def _submit(steps: Sequence[Step], beside: Sequence[mx.array] = ()) -> None:
    arrays = [array for step in steps for array in step.arrays()]
    mx.async_eval([*arrays, *beside])  # type: ignore[no-untyped-call]


def _alike(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Return slices in groups: of one class of lengths, and with little padding.

    Padding to the longest slice is at most half of a group's tokens.
    """
    groups: list[list[Slice]] = []
    tokens = 0
    for piece in sorted(slices, key=lambda piece: (_joins(piece), _size(piece))):
        tokens += _size(piece)
        if (
            groups
            and _joins(groups[-1][0]) == _joins(piece)
            and (len(groups[-1]) + 1) * _size(piece) <= 1.5 * tokens
        ):
            groups[-1].append(piece)
        else:
            groups.append([piece])
            tokens = _size(piece)
    return groups


def _joins(piece: Slice) -> int:
    """Return the class of lengths that a row joins when this has been run and a token chosen."""
    return length_class(piece.stop + 1)


def _size(piece: Slice) -> int:
    return piece.stop - piece.start
