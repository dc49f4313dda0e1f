"""A loaded language model: its tokenizer, its vocabulary's bytes, and runners for its rows."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.cache import make_prompt_cache

from bodega.backends import blas_threads, device
from bodega.backends.base import (
    Constraint,
    Guide,
    Message,
    Piece,
    RenderedChat,
    Row,
    Sampling,
    Slice,
    TextDecoding,
    TextModelInfo,
    ThinkingBudget,
)
from bodega.backends.lm.guides import Guides
from bodega.backends.lm.head import Forward
from bodega.backends.lm.runner import LmRunner
from bodega.backends.lm.tokenizer import ChatTokenizer

TRIED_TOKENS = 64
"""Length of the prompt by which the threads are chosen, in tokens."""

_WARM_UP_ROWS: Final = (
    (8, Sampling()),
    (8, Sampling()),
    (8, Sampling(temperature=1.0, top_p=0.5)),
    (7, Sampling(temperature=1.0)),
)
WARM_UP_LIMIT_S = 600.0
"""Longest first run that is not taken for a hang: a GPU may compile its kernels in it."""


class LmModel:
    """Implements `bodega.backends.base.TextModel`."""

    def __init__(
        self,
        *,
        model: nn.Module,
        forward: Forward,
        tokenizer: ChatTokenizer,
        decoding: TextDecoding,
        info: TextModelInfo,
        prefix_cache_bytes: int,
    ) -> None:
        self._parts: tuple[nn.Module, Forward] | None = (model, forward)
        self._tokenizer = tokenizer
        self._decoding = decoding
        self._info = info
        self._guides = Guides(decoding, info.stop_tokens)
        self._prefix_cache_bytes = prefix_cache_bytes

    @property
    def info(self) -> TextModelInfo:
        """What is known of the model."""
        return self._info

    @property
    def decoding(self) -> TextDecoding:
        """How its tokens become text."""
        return self._decoding

    @property
    def active_bytes(self) -> int:
        """Memory that the device has given out, to this model and beside it. From any thread."""
        return device.active_bytes()

    def render_chat(
        self,
        messages: Sequence[Message],
        arguments: Mapping[str, Any],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        goes_on: bool = False,
    ) -> RenderedChat:
        """Render a conversation with the chat template and tokenize it."""
        return self._tokenizer.render_chat(messages, arguments, tools=tools, goes_on=goes_on)

    def encode_text(self, text: str) -> list[int]:
        """Return the tokens of a text, with what the tokenizer puts before any."""
        return self._tokenizer.encode_text(text)

    def token_text(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        table = self._decoding.token_bytes
        text = b"".join(table[token] for token in tokens).decode(errors="replace")
        return text.removeprefix(" ") if self._decoding.drops_first_space else text

    def compile(self, constraint: Constraint | None, budget: ThinkingBudget | None = None) -> Guide:
        """Return what holds one answer to a constraint and a budget."""
        return self._guides.make(constraint, budget)

    def warm_up(self) -> Generator[Piece, None, None]:
        """Run the model as the first requests would: kernels are compiled then, for each shape."""
        yield Piece(WARM_UP_LIMIT_S)
        runner = self.new_runner()
        for row, (tokens, sampling) in enumerate(_WARM_UP_ROWS):
            runner.add(Row(id=row, prompt=[0] * tokens, sampling=sampling))
        for row in range(2):
            runner.prefill([Slice(row, 0, _WARM_UP_ROWS[row][0])])
            yield Piece(WARM_UP_LIMIT_S, 0.2)
            runner.decode()
            yield Piece(WARM_UP_LIMIT_S, 0.4)
        runner.prefill([Slice(row, 0, _WARM_UP_ROWS[row][0]) for row in (2, 3)])
        yield Piece(WARM_UP_LIMIT_S, 0.6)
        for _ in range(2):
            runner.decode()
        runner.close()
        for _ in blas_threads.fit(self._run_prompt):
            yield Piece(WARM_UP_LIMIT_S, 0.8)
            # The step that nobody has read is under way.
            mx.synchronize()

    def _run_prompt(self) -> None:
        if self._parts is None:
            raise RuntimeError("the model is closed")
        model, forward = self._parts
        mx.eval(forward.last(mx.zeros((1, TRIED_TOKENS), mx.int32), make_prompt_cache(model)))

    def new_runner(self) -> LmRunner:
        """Return a runner without rows. Engine thread only."""
        if self._parts is None:
            raise RuntimeError("the model is closed")
        model, forward = self._parts
        return LmRunner(
            model,
            forward,
            turn_ends=self._info.stop_tokens,
            prefix_cache_bytes=self._prefix_cache_bytes,
        )

    def close(self) -> None:
        """Give the memory back. Engine thread only; its runners must be closed."""
        self._parts = None
        device.collect()
