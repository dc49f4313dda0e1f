"""Rows of the tiny chat model that run step by step."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from bodega.backends.base import (
    Chosen,
    Constraint,
    Guide,
    Row,
    Slice,
    TextDecoding,
    ThinkingBudget,
    Tokens,
)
from bodega.backends.lm.decoding import text_decoding
from bodega.backends.lm.guides import Guides
from bodega.backends.lm.head import Forward
from bodega.backends.lm.runner import LmRunner
from tests.lm.test_runner import TURN_ENDS, loaded, prompts
from tests.models import TINY_CHAT


@cache
def decoding() -> TextDecoding:
    """Return how the model's tokens become text."""
    definition: dict[str, Any] = json.loads((TINY_CHAT / "tokenizer.json").read_text("utf-8"))
    return text_decoding(definition, loaded("tiny-chat")[0].args.vocab_size)


@cache
def guides() -> Guides:
    """Return what makes guides for the model."""
    return Guides(decoding(), TURN_ENDS)


def held_to(grammar: str, budget: ThinkingBudget | None = None) -> Guide:
    """Return a guide of its own for an answer."""
    return guides().make(Constraint(grammar=grammar, param="response_format"), budget)


def text_of(tokens: Sequence[int]) -> str:
    """Return the text of an answer, up to its end."""
    ends = [at for at, token in enumerate(tokens) if token in TURN_ENDS]
    tokens = tokens[: ends[0]] if ends else tokens
    return b"".join(decoding().token_bytes[token] for token in tokens).decode("utf-8", "replace")


def tokens_of(text: str) -> list[int]:
    """Return the tokens of a text, in which markers are tokens."""
    tokens: list[int] = loaded("tiny-chat")[1].encode(text, add_special_tokens=False)
    return tokens


@cache
def given() -> list[list[int]]:
    """Return some prompts."""
    return prompts(loaded("tiny-chat")[1])


class Rows:
    """Runs rows and collects what is chosen for them."""

    def __init__(self, rows: Sequence[Row], *, prefix_bytes: int = 0) -> None:
        model = loaded("tiny-chat")[0]
        self.runner = LmRunner(
            model, Forward(model), turn_ends=TURN_ENDS, prefix_cache_bytes=prefix_bytes
        )
        self.rows = {row.id: row for row in rows}
        self.chosen: dict[int, list[Chosen]] = {row.id: [] for row in rows}

    def tokens(self, row: int) -> list[int]:
        """Return what a row has generated."""
        return [chosen.token for chosen in self.chosen[row]]

    def enter(self, *ids: int) -> int:
        """Let rows run with what they have generated; return how much of them was known."""
        slices = []
        for number in ids:
            old = self.rows[number]
            row = Row(
                id=number,
                prompt=old.prompt,
                sampling=old.sampling,
                guide=old.guide,
                top_logprobs=old.top_logprobs,
                keep_prompt=old.keep_prompt,
                generated=tuple(self.tokens(number)),
            )
            known = self.runner.add(row)
            slices.append(Slice(number, known, len(row.tokens)))
        self._take(self.runner.prefill(slices))
        return sum(piece.start for piece in slices)

    def step(self, times: int = 1) -> None:
        """Decode tokens for each row."""
        for _ in range(times):
            self._take(self.runner.decode())

    def _take(self, tokens: Tokens) -> None:
        for chosen in tokens:
            self.chosen[chosen.row].append(chosen)


def together(rows: Sequence[Row], steps: int) -> Rows:
    """Return rows that have run together."""
    ran = Rows(rows)
    ran.enter(*ran.rows)
    ran.step(steps)
    return ran
