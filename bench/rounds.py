"""The rounds of a run: the order of the measurements, and what each round found."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from bench.errors import NotHereError
from bench.figures import CeilingFigures, Figure, LoadFigures, PrefillFigures
from bench.latency import Latency
from bench.plan import Plan, Target, Task
from bench.prompts import PromptMaker
from bench.throughput import Throughput

NAMES: Final = (
    "streams",
    "pinned",
    "mixed",
    "varied",
    "constrained",
    "prefix",
    "chat",
    "stall",
    "overhead",
    "cpu",
    "rest",
)
"""The measurements, in their order; the first five are made with each number of clients,
those that are not greedy from two clients up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round found.

    Attributes:
        figures: all figures, in the order of the table.
        ceilings: decoding without a server, as it was measured.
        prefills: prefill without a server, as it was measured.
        loads: the server under load, as it was measured.
        skipped: the measurements that were not made, each with its reason.
    """

    figures: list[Figure] = field(default_factory=list)
    ceilings: list[CeilingFigures] = field(default_factory=list)
    prefills: list[PrefillFigures] = field(default_factory=list)
    loads: list[LoadFigures] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


class Rounds:
    """Measures one server by one plan.

    Args:
        plan: how much.
        target: the server.
        folder: the model, which the server is to have loaded.
        tell: gets a line about each figure.
        only: the names of the measurements to make.
        stop_tokens: tokens that end an answer of the model early.
    """

    def __init__(
        self,
        plan: Plan,
        target: Target,
        *,
        folder: Path,
        tell: Callable[[str], None],
        only: Collection[str] = NAMES,
        stop_tokens: Sequence[int] = (),
    ) -> None:
        prompts = PromptMaker(folder, seed=1)
        self._task = Task(
            plan=plan, target=target, folder=folder, prompts=prompts, stop_tokens=stop_tokens
        )
        self._tell = tell
        self._only = only

    def run(self) -> list[Round]:
        """Return what each round found.

        Raises:
            BenchError: a measurement failed.
        """
        rounds = []
        for number in range(1, self._task.plan.rounds + 1):
            self._tell(f"round {number} of {self._task.plan.rounds}")
            rounds.append(self._round())
        return rounds

    def _round(self) -> Round:
        throughput, latency = Throughput(self._task), Latency(self._task)
        found = Round(loads=throughput.loads, prefills=latency.prefills)
        for name, measure in self._steps(throughput, latency):
            if name not in self._only:
                continue
            try:
                figures = measure()
            except NotHereError as reason:
                found.skipped[name] = str(reason)
                continue
            found.figures.extend(figures)
            for figure in figures:
                self._tell(f"  {_line(figure)}")
        found.ceilings.extend(throughput.ceilings.values())
        return found

    def _steps(
        self, throughput: Throughput, latency: Latency
    ) -> Iterator[tuple[str, Callable[[], list[Figure]]]]:
        """Yield all there is to measure: first all of one width, so that a share holds."""
        for clients in self._task.plan.requests_per_client:
            yield "streams", partial(throughput.streams, clients)
            yield "pinned", partial(throughput.pinned, clients)
            if clients > 1:
                yield "mixed", partial(throughput.mixed, clients)
                yield "varied", partial(throughput.varied, clients)
                yield "constrained", partial(throughput.constrained, clients)
        yield "prefix", latency.prefix
        yield "chat", latency.chat
        yield "stall", latency.stall
        yield "overhead", latency.overhead
        yield "cpu", throughput.cpu
        yield "rest", throughput.rest


def _line(figure: Figure) -> str:
    line = f"{figure.label} {figure.value:,.{figure.digits}f}"
    if figure.against is None:
        return line
    against = f"{figure.against:,.{figure.digits}f}"
    return f"{line}, {figure.ratio:.2f} of {against} ({figure.reference})"
