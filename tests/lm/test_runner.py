"""The runner gives each row the answer it would get alone, on every family of models."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm import load

from bodega.backends.base import Row, Sampling, Slice, Tokens
from bodega.backends.lengths import SHORTEST_TOKENS
from bodega.backends.lm.head import Forward
from bodega.backends.lm.runner import LmRunner
from tests.models import FAMILIES, TRANSCRIPTS, family_model
from tests.models.oracle import prompt_tokens

TOKENS = 24
TURN_ENDS = {640, 642}
MODELS = ["tiny-chat", *FAMILIES]


@cache
def loaded(family: str) -> tuple[Any, Any]:
    from tests.models import TINY_CHAT

    model, tokenizer, *_ = load(str(TINY_CHAT if family == "tiny-chat" else family_model(family)))
    return model, tokenizer


def prompts(tokenizer: Any) -> list[list[int]]:
    chosen = [one for one in TRANSCRIPTS if not one.tools][3:9]
    return [prompt_tokens(tokenizer, one.template_messages) for one in chosen]


def oracle(model: Any, prompt: Sequence[int]) -> list[int]:
    """Return the greedy answer by the plainest means: the whole text anew for each token."""
    tokens = list(prompt)
    for _ in range(TOKENS):
        best: Any = mx.argmax(model(mx.array([tokens]))[0, -1]).item()
        tokens.append(int(best))
    return tokens[len(prompt) :]


class Batch:
    """Runs rows to their end and collects their tokens."""

    def __init__(self, model: Any, *, prefix_cache_bytes: int = 0) -> None:
        self.runner = LmRunner(
            model, Forward(model), turn_ends=TURN_ENDS, prefix_cache_bytes=prefix_cache_bytes
        )
        self.tokens: dict[int, list[int]] = {}

    def enter(
        self,
        rows: dict[int, Sequence[int]],
        slice_tokens: int = 4096,
        sampling: Sampling | None = None,
    ) -> None:
        for row, prompt in rows.items():
            self.tokens[row] = []
            self.runner.add(Row(id=row, prompt=prompt, sampling=sampling or Sampling()))
        if slice_tokens >= 4096:
            self._take(self.runner.prefill([Slice(row, 0, len(p)) for row, p in rows.items()]))
            return
        for row, prompt in rows.items():
            for start in range(0, len(prompt), slice_tokens):
                piece = Slice(row, start, min(start + slice_tokens, len(prompt)))
                self._take(self.runner.prefill([piece]))

    def decode(self, steps: int) -> None:
        for _ in range(steps):
            self._take(self.runner.decode())

    def _take(self, tokens: Tokens) -> None:
        for chosen in tokens:
            self.tokens[chosen.row].append(chosen.token)


@pytest.mark.parametrize("family", MODELS)
def test_rows_together_answer_as_the_model_does_alone(family: str) -> None:
    model, tokenizer = loaded(family)
    expected = dict(enumerate(oracle(model, prompt) for prompt in prompts(tokenizer)))
    batch = Batch(model)
    batch.enter(dict(enumerate(prompts(tokenizer))))
    batch.decode(TOKENS)
    assert {row: tokens[:TOKENS] for row, tokens in batch.tokens.items()} == expected


@pytest.mark.parametrize("family", MODELS)
def test_rows_that_come_and_go_leave_the_others_alone(family: str) -> None:
    model, tokenizer = loaded(family)
    given = dict(enumerate(prompts(tokenizer)))
    batch = Batch(model)
    batch.enter({0: given[0], 1: given[1]}, slice_tokens=7)
    batch.decode(3)
    batch.enter({2: given[2], 3: given[3], 4: given[4]})
    batch.decode(4)
    batch.runner.leave([0, 3])
    batch.decode(2)
    batch.enter({5: given[5]}, slice_tokens=5)
    batch.runner.leave([1])
    batch.decode(TOKENS)
    for row in (2, 4, 5):
        assert batch.tokens[row][:TOKENS] == oracle(model, given[row])


def test_leaving_everyone_leaves_a_runner_that_works() -> None:
    model, tokenizer = loaded("tiny-chat")
    given = prompts(tokenizer)
    batch = Batch(model)
    batch.enter({0: given[0]})
    batch.decode(2)
    batch.runner.add(Row(id=9, prompt=given[1], sampling=Sampling()))
    batch.runner.prefill([Slice(9, 0, 3)])
    batch.runner.leave([0, 9, 77])
    batch.decode(1)
    batch.enter({1: given[1]})
    batch.decode(TOKENS)
    assert batch.tokens[1][:TOKENS] == oracle(model, given[1])


@pytest.mark.parametrize("family", MODELS)
def test_long_rows_and_short_ones_do_not_pad_each_other(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bodega.backends.lengths.PAGE_TOKENS", 8)
    model, tokenizer = loaded(family)
    given = prompts(tokenizer)
    long = [(at * 37) % 500 + 40 for at in range(SHORTEST_TOKENS - 10)]
    batch = Batch(model)
    batch.enter({0: given[0], 1: long}, slice_tokens=200)
    batch.decode(5)
    batch.enter({2: [*long, *long[:100]]}, slice_tokens=300)
    assert sorted(sorted(one.ids) for one in batch.runner._batches) == [[0, 1], [2]]
    batch.decode(TOKENS)
    classes = sorted(sorted(one.ids) for one in batch.runner._batches)
    assert classes == [[0], [1, 2]]
    assert batch.tokens[0][:TOKENS] == oracle(model, given[0])
    if family not in ("gpt_oss", "qwen3_next"):
        # Over long contexts of random tokens these two round differently in slices.
        assert batch.tokens[1][:TOKENS] == oracle(model, long)
