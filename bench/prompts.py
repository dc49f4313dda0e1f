"""Distinct chat prompts of one length, measured as the model reads them: rendered and tokenized.

A load whose prompts differ in length from run to run measures prompts, not servers. So lengths
are held in a narrow range, and a run that misses it is refused.
"""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from pydoc_data.topics import topics
from typing import Final

import jinja2
from tokenizers import Tokenizer

from bench.errors import BenchError

SHORT_TOKENS: Final = 65
"""Length of the prompts of most measurements."""

SLACK_TOKENS: Final = 3
"""How far a prompt may be from its length, either way."""

_WORD_TOKENS: Final = 8
"""More than most words have: so many tokens are missing, so many words by this are added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a user says, and the tokens that the model reads then.

    Attributes:
        text: the content of the chat's one message, or of its last one.
        tokens: the rendered chat, up to where the model goes on.
    """

    text: str
    tokens: tuple[int, ...]


class PromptMaker:
    """Makes prompts for one model. It makes none twice, so that no server knows one already.

    Args:
        folder: the model's folder, whose tokenizer and chat template are used.
        seed: the same seed makes the same prompts, given the same model.
    """

    def __init__(self, folder: Path, *, seed: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        self._template = jinja2.Template(config["chat_template"])
        self._random = random.Random(seed)
        texts = " ".join(topics.values())
        self._words = sorted({word for word in texts.split() if word.isalpha()})
        self._made: set[str] = set()

    def take(self, count: int, *, tokens: int = SHORT_TOKENS) -> list[Prompt]:
        """Return that many new prompts.

        Args:
            count: how many.
            tokens: length of each, to a few tokens.

        Raises:
            BenchError: their lengths are not what they must be.
        """
        prompts = list(islice(self._new_prompts(tokens), count))
        check_lengths((len(prompt.tokens) for prompt in prompts), tokens=tokens)
        return prompts

    def render(self, messages: Sequence[Mapping[str, str]]) -> Prompt:
        """Return what the model reads of a chat."""
        rendered = self._template.render(messages=messages, add_generation_prompt=True)
        tokens = self._tokenizer.encode(rendered, add_special_tokens=False).ids
        return Prompt(text=messages[-1]["content"], tokens=tuple(tokens))

    def _new_prompts(self, tokens: int) -> Iterator[Prompt]:
        while True:
            prompt = self._prompt(tokens)
            if prompt.text not in self._made:
                self._made.add(prompt.text)
                yield prompt

    def _prompt(self, tokens: int) -> Prompt:
        prompt = self._render([])
        words: list[str] = []
        while (missing := tokens - 1 - len(prompt.tokens)) > 0:
            words += self._random.choices(self._words, k=1 + missing // _WORD_TOKENS)
            prompt = self._render(words)
        # The last word may have been a long one.
        fits = len(prompt.tokens) <= tokens + SLACK_TOKENS
        return prompt if fits else self._prompt(tokens)

    def _render(self, words: Sequence[str]) -> Prompt:
        return self.render([{"role": "user", "content": " ".join(words)}])


def check_lengths(lengths: Iterable[int], *, tokens: int = SHORT_TOKENS) -> None:
    """Refuse prompts that are not as long as they must be.

    Args:
        lengths: tokens of each prompt.
        tokens: what they must have, to a few tokens.

    Raises:
        BenchError: one is out of range.
    """
    least, most = tokens - SLACK_TOKENS, tokens + SLACK_TOKENS
    for length in lengths:
        if not least <= length <= most:
            raise BenchError(
                f"A prompt has {length} tokens instead of {least} to {most}: "
                "the figures of this run would compare with no other."
            )
