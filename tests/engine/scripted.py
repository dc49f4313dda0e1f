"""A language model that says what a test wants, when it wants: for faults at a named point."""

import re
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from bodega.backends.base import (
    Chosen,
    Constraint,
    Logprobs,
    Message,
    Piece,
    PrefixStats,
    RenderedChat,
    Row,
    Slice,
    TextDecoding,
    TextModelInfo,
    ThinkingBudget,
    Tokens,
)
from bodega.backends.cache_cost import CacheCost

STOP = 0
TOKEN_BYTES = 1000
MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>")
"""Texts that are tokens of their own, from 256; the tokens below are single bytes."""


def tokens_of(text: str) -> list[int]:
    """Return the tokens of a text."""
    pieces = re.split(f"({'|'.join(MARKERS)})", text)
    tokens: list[int] = []
    for piece in pieces:
        tokens += [256 + MARKERS.index(piece)] if piece in MARKERS else piece.encode()
    return tokens


class ScriptedGuide:
    """Lets anything come next."""

    def allowed(self) -> None:
        return None

    def push(self, token: int) -> None:
        pass


class ScriptedRunner:
    """Answers every row with the model's answer, one token a step.

    A token that is told of has the logarithm -0.5, and the one after it -1.5.
    """

    def __init__(self, model: "ScriptedModel") -> None:
        self._model = model
        self._rows: dict[int, Row] = {}
        self._ready: list[int] = []
        self._said: dict[int, int] = {}

    def add(self, row: Row) -> int:
        self._rows[row.id] = row
        self._model.rows.append(row)
        self._said[row.id] = len(row.generated) - 1
        return 0

    @property
    def prefix_stats(self) -> PrefixStats:
        return PrefixStats()

    def limit_prefixes(self, size_bytes: int) -> None:
        self._model.prefix_bytes = size_bytes

    def leave(self, rows: Sequence[int]) -> None:
        self._model.at("leave")
        for row in rows:
            self._rows.pop(row, None)
            if row in self._ready:
                self._ready.remove(row)

    def prefill(self, slices: Sequence[Slice]) -> Tokens:
        self._model.at("prefill")
        done = [piece.row for piece in slices if piece.stop == len(self._rows[piece.row].tokens)]
        self._ready += done
        return [self._next(row) for row in done]

    def decode(self) -> Tokens:
        self._model.at("decode")
        return [self._next(row) for row in self._ready]

    def close(self) -> None:
        self._rows.clear()
        self._ready.clear()

    def _next(self, row: int) -> Chosen:
        self._said[row] += 1
        said, answer = self._said[row], self._model.answer
        if answer is None:
            token = ord("a") + said % 26
        else:
            token = answer[said] if said < len(answer) else STOP
        if (top := self._rows[row].top_logprobs) is None:
            return Chosen(row, token)
        return Chosen(row, token, Logprobs(-0.5, ((token, -0.5), (token + 1, -1.5))[:top]))


class ScriptedModel:
    """A model whose steps can be held, or made to fail.

    Attributes:
        gate: steps wait for it.
        hold_at: the place that closes the gate when it is reached next, and sets `held`:
            "warm-up", "prefill", "decode" or "leave".
        fail_at: the place that raises when it is reached next.
        step_s: how long a step takes, so that an endless answer is not too much to read.
        cache_bytes: memory for the caches of its rows.
        prefix_bytes: what prefixes may take, as its runner was told last.
        answer: the tokens of every answer, before its end; None for the alphabet without an end.
        ending: what its template opens answers with.
        rendered: what its template was told.
        rows: what its runners were given.
        compiled: what answers were to be held to.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.hold_at: str | None = None
        self.held = threading.Event()
        self.fail_at: str | None = None
        self.step_s = 0.0
        self.closed = False
        self.runners = 0
        self.cache_bytes = 10**12
        self.prefix_bytes: int | None = None
        self.answer: Sequence[int] | None = None
        self.ending = ""
        self.rendered: list[dict[str, Any]] = []
        self.rows: list[Row] = []
        self.compiled: list[tuple[Constraint | None, ThinkingBudget | None]] = []

    def at(self, place: str) -> None:
        if self.hold_at == place:
            self.hold_at = None
            self.gate.clear()
            self.held.set()
        assert self.gate.wait(60)
        time.sleep(self.step_s)
        if self.fail_at == place:
            self.fail_at = None
            raise RuntimeError("a secret that must not be told")

    @property
    def info(self) -> TextModelInfo:
        return TextModelInfo(
            architecture="scripted",
            context_length=100_000,
            weight_bytes=1,
            cache_cost=CacheCost(token_bytes=TOKEN_BYTES),
            cache_bytes=self.cache_bytes,
            stop_tokens=frozenset({STOP}),
            vocabulary_size=256 + len(MARKERS),
            markers=frozenset(MARKERS),
            template_names=frozenset({"reasoning_effort"}),
        )

    @property
    def decoding(self) -> TextDecoding:
        return TextDecoding(
            token_bytes=[
                *(bytes([byte]) for byte in range(256)),
                *(marker.encode() for marker in MARKERS),
            ],
            markers=frozenset(range(256, 256 + len(MARKERS))),
        )

    def render_chat(
        self, messages: Sequence[Message], arguments: Mapping[str, Any], **told: Any
    ) -> RenderedChat:
        self.rendered.append({"messages": messages, "arguments": arguments, **told})
        return RenderedChat([1] * len(messages), ending=self.ending)

    def encode_text(self, text: str) -> list[int]:
        return tokens_of(text)

    def token_text(self, tokens: Sequence[int]) -> str:
        pieces = self.decoding.token_bytes
        return b"".join(pieces[token] for token in tokens).decode(errors="replace")

    def compile(
        self, constraint: Constraint | None, budget: ThinkingBudget | None = None
    ) -> ScriptedGuide:
        self.compiled.append((constraint, budget))
        return ScriptedGuide()

    @property
    def active_bytes(self) -> int:
        return 0

    def warm_up(self) -> Generator[Piece, None, None]:
        self.at("warm-up")
        yield Piece(60.0)

    def new_runner(self) -> ScriptedRunner:
        self.runners += 1
        return ScriptedRunner(self)

    def close(self) -> None:
        self.closed = True
