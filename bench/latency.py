"""How soon a server answers one chat: reused prefixes, long prompts, the shortest requests."""

from collections.abc import Iterable, Sequence
from typing import Final

from bench import worker
from bench.client import Message, user
from bench.errors import BenchError
from bench.figures import (
    Figure,
    OverheadFigures,
    PrefillFigures,
    StallFigures,
    TurnFigures,
    percentile,
)
from bench.overhead import OverheadJob
from bench.plan import Task
from bench.prefill import PrefillJob
from bench.prompts import SHORT_TOKENS, Prompt, check_lengths
from bench.stall import StallJob
from bench.turns import Conversation, TurnsJob

_PREFIX_TOKENS: Final = 2000
_OPENING_TOKENS: Final = 1000
_LONG_TOKENS: Final = 2800
_TURNS: Final = 4
_SAME_LENGTH: Final = 0.05
"""How far two conversations of one shape may be apart: answers are not tokenized as they came."""


class Latency:
    """The measurements of single chats, of one round.

    Attributes:
        prefills: what was measured of prefill in the process.
    """

    def __init__(self, task: Task) -> None:
        self.prefills: list[PrefillFigures] = []
        self._plan = task.plan
        self._target = task.target
        self._folder = task.folder
        self._prompts = task.prompts

    def prefix(self) -> list[Figure]:
        """Measure system prompts that three chats share, the first of which computes them."""
        conversations = [
            Conversation(history=[system], turns=[tail.text])
            for system in self._systems(self._plan.prefixes)
            for tail in self._prompts.take(3)
        ]
        turns = [turn for [turn] in self._hold(conversations, max_tokens=4)]
        for conversation, turn in zip(conversations, turns, strict=True):
            rendered = self._prompts.render([*conversation.history, user(conversation.turns[0])])
            check_lengths([turn.prompt_tokens], tokens=len(rendered.tokens))
        cold = _median_ms(turns[::3])
        warm = [turn for number, turn in enumerate(turns) if number % 3]
        name = f"{_PREFIX_TOKENS:,}-token prefix"
        return [
            Figure(label=f"{name}: cold TTFT, ms", value=cold),
            Figure(
                label=f"{name}: warm TTFT, ms",
                value=_median_ms(warm),
                against=cold,
                reference="cold",
            ),
            *_cached(f"{name}: cached tokens, warm", warm),
        ]

    def chat(self) -> list[Figure]:
        """Measure a conversation turn by turn, against one as long that is new as a whole."""
        opening, other = self._prompts.take(2, tokens=_OPENING_TOKENS)
        said = [opening, *self._prompts.take(_TURNS - 1)]
        answers = self._answers(_TURNS - 1)
        history = [user(other.text)]
        for answer, question in zip(answers, self._prompts.take(_TURNS - 1), strict=True):
            history += [answer, user(question.text)]
        grown = Conversation(history=[], turns=[each.text for each in said])
        whole = Conversation(history=history[:-1], turns=[history[-1]["content"]])
        turns, [cold] = self._hold([grown, whole], max_tokens=self._plan.max_tokens)
        check_lengths([turns[0].prompt_tokens], tokens=_OPENING_TOKENS)
        _check_same_length(turns[-1].prompt_tokens, cold.prompt_tokens)
        name = f"chat of {_TURNS} turns"
        figures = [Figure(label=f"{name}: cold TTFT of turn {_TURNS}, ms", value=cold.ttft_ms)]
        for number, turn in enumerate(turns, 1):
            last = number == _TURNS
            figures.append(
                Figure(
                    label=f"{name}: TTFT of turn {number}, ms",
                    value=turn.ttft_ms,
                    against=cold.ttft_ms if last else None,
                    reference="a chat as long that is new" if last else "",
                )
            )
            figures += _cached(f"{name}: cached tokens, turn {number}", [turn])
        return figures

    def stall(self) -> list[Figure]:
        """Measure a running stream while a long prompt arrives, and that prompt."""
        [running], [long] = self._prompts.take(1), self._prompts.take(1, tokens=_LONG_TOKENS)
        best = self._prefill([long], slices=self._plan.prefill_slices)
        job = StallJob(
            base_url=self._target.base_url,
            model=self._target.model,
            running=running.text,
            arriving=long.text,
        )
        stall = StallFigures(**worker.run("bench.stall", job))
        check_lengths([stall.prompt_tokens], tokens=_LONG_TOKENS)
        name = f"{_LONG_TOKENS:,} tokens arrive"
        return [
            Figure(
                label=f"{name}: longest gap of a running stream, ms", value=stall.longest_gap_ms
            ),
            Figure(
                label=f"{name}: their TTFT, ms",
                value=stall.ttft_ms,
                against=best.p50_ms,
                reference="best slice in the process",
            ),
            Figure(label=f"{name}: best slice, tokens", value=best.slice_tokens, digits=0),
        ]

    def overhead(self) -> list[Figure]:
        """Measure whole requests for one token against prefill and step in the process."""
        prompts = self._prompts.take(self._plan.single_requests)
        ceiling = self._prefill(prompts, slices=[SHORT_TOKENS * 2])
        job = OverheadJob(
            base_url=self._target.base_url,
            model=self._target.model,
            warmup=[prompt.text for prompt in self._prompts.take(4)],
            prompts=[prompt.text for prompt in prompts],
        )
        figures = OverheadFigures(**worker.run("bench.overhead", job))
        return [
            Figure(
                label="max_tokens 1: p50, ms",
                value=figures.p50_ms,
                against=ceiling.p50_ms,
                reference="prefill and step in the process",
            ),
            Figure(label="max_tokens 1: p99, ms", value=figures.p99_ms),
        ]

    def _systems(self, count: int) -> list[Message]:
        prefixes = self._prompts.take(count, tokens=_PREFIX_TOKENS)
        return [{"role": "system", "content": prefix.text} for prefix in prefixes]

    def _answers(self, count: int) -> list[Message]:
        """Return messages that are as long as the model's answers."""
        around = len(self._prompts.render([user("")]).tokens)
        prompts = self._prompts.take(count, tokens=self._plan.max_tokens + around)
        return [{"role": "assistant", "content": prompt.text} for prompt in prompts]

    def _prefill(self, prompts: list[Prompt], *, slices: Sequence[int]) -> PrefillFigures:
        job = PrefillJob(
            folder=str(self._folder),
            slices=list(slices),
            warmup=list(self._prompts.take(1, tokens=4 * SHORT_TOKENS)[0].tokens),
            prompts=[list(prompt.tokens) for prompt in prompts],
        )
        prefill = PrefillFigures(**worker.run("bench.prefill", job))
        self.prefills.append(prefill)
        return prefill

    def _hold(
        self, conversations: list[Conversation], *, max_tokens: int
    ) -> list[list[TurnFigures]]:
        [warmup] = self._prompts.take(1)
        job = TurnsJob(
            base_url=self._target.base_url,
            model=self._target.model,
            conversations=[Conversation(history=[], turns=[warmup.text]), *conversations],
            max_tokens=max_tokens,
        )
        held = worker.run("bench.turns", job)["conversations"][1:]
        return [[TurnFigures(**turn) for turn in turns] for turns in held]


def _median_ms(turns: Iterable[TurnFigures]) -> float:
    return percentile([turn.ttft_ms for turn in turns], 50)


def _cached(label: str, turns: Sequence[TurnFigures]) -> list[Figure]:
    """Return how many tokens of a prompt were reused; nothing if the server does not tell."""
    cached = [turn.cached_tokens for turn in turns if turn.cached_tokens is not None]
    if not cached:
        return []
    return [
        Figure(
            label=label,
            value=percentile(cached, 50),
            against=percentile([turn.prompt_tokens for turn in turns], 50),
            reference="tokens of the prompt",
            digits=0,
        )
    ]


def _check_same_length(tokens: int, others: int) -> None:
    if abs(tokens - others) > _SAME_LENGTH * others:
        raise BenchError(f"Chats of {tokens} and {others} tokens are not of one length.")
