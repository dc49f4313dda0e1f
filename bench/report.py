"""What a run found: one table to read, and all figures as JSON."""

import os
import platform as python_platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from typing import Any, Final

import bodega
from bench.figures import Figure, Spread
from bench.rounds import Round
from bodega import platform

Rounds = Sequence[Round]

_BUSY_CLIENT_CORES: Final = 0.1
"""What of a core the load generator may take before it disturbs what it measures."""

_THREADS: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def table(rounds: Rounds) -> str:
    """Return the figures as a Markdown table: medians of the rounds, least and most in brackets."""
    return _markdown(
        [["", "server", "against", "ratio", "of what"], *map(_row, _by_label(rounds).values())]
    )


def notes(rounds: Rounds) -> str:
    """Return what has to be known to read the table, and whether the run can be trusted."""
    loads = [load for each in rounds for load in each.loads]
    lines = [", ".join(f"{name} {value}" for name, value in environment(rounds).items() if value)]
    runs = [f"rounds: {len(rounds)}"]
    if loads:
        shortest = min(load.prompt_tokens_min for load in loads)
        longest = max(load.prompt_tokens_max for load in loads)
        client = max(load.client_cores for load in loads)
        runs.append(f"prompts under load: {shortest} to {longest} tokens")
        runs.append(f"load generator: at most {client:.0%} of a core")
    lines.append(", ".join(runs))
    if loads and client > _BUSY_CLIENT_CORES:
        lines.append("The load generator took so much that the server's figures are too low.")
    skipped = {name: reason for each in rounds for name, reason in each.skipped.items()}
    lines += [f"not measured: {name}, since {reason}" for name, reason in skipped.items()]
    return "\n".join(lines)


def environment(rounds: Rounds) -> dict[str, Any]:
    """Return what the figures depend on, as far as it can be told."""
    return {
        "bodega": bodega.__version__,
        "mlx": metadata.version("mlx"),
        "mlx-lm": metadata.version("mlx-lm"),
        "python": python_platform.python_version(),
        "system": f"{python_platform.system()} {python_platform.machine()}",
        "cpus": os.cpu_count(),
        "device": platform.mlx_device(),
        "blas": _blas(rounds),
        **{name: os.environ.get(name) for name in _THREADS},
    }


def as_json(rounds: Rounds, *, server: str) -> dict[str, Any]:
    """Return everything: what was measured, on what, each figure of each round, and the ratios.

    Args:
        rounds: the figures.
        server: what was measured.
    """
    return {
        "server": server,
        "environment": environment(rounds),
        "rounds": [asdict(each) for each in rounds],
        "ratios": {
            label: asdict(Spread.of(ratios))
            for label, figures in _by_label(rounds).items()
            if (ratios := _ratios(figures))
        },
    }


def _blas(rounds: Rounds) -> str | None:
    names = [ceiling.blas for each in rounds for ceiling in each.ceilings]
    names += [prefill.blas for each in rounds for prefill in each.prefills]
    return next(iter(names), None)


def _by_label(rounds: Rounds) -> dict[str, list[Figure]]:
    """Return each label's figures, one a round, in the order in which they came."""
    figures: dict[str, list[Figure]] = {}
    for each in rounds:
        for figure in each.figures:
            figures.setdefault(figure.label, []).append(figure)
    return figures


def _row(figures: Sequence[Figure]) -> list[str]:
    digits = figures[0].digits
    against = [figure.against for figure in figures if figure.against is not None]
    return [
        figures[0].label,
        _spread([figure.value for figure in figures], digits),
        _spread(against, digits),
        _spread(_ratios(figures), 2),
        figures[0].reference,
    ]


def _ratios(figures: Sequence[Figure]) -> list[float]:
    return [ratio for figure in figures if (ratio := figure.ratio) is not None]


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return ""
    spread = Spread.of(values)
    median, least, most = (
        f"{value:,.{digits}f}" for value in (spread.median, spread.min, spread.max)
    )
    return f"{median} [{least}-{most}]" if len(values) > 1 else median


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numbers = slice(1, -1)
    rule = ["-" * width for width in widths]
    rule[numbers] = ["-" * (width - 1) + ":" for width in widths[numbers]]
    lines = []
    for cells in (rows[0], rule, *rows[1:]):
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        padded[numbers] = [
            cell.rjust(width) for cell, width in zip(cells[numbers], widths[numbers], strict=True)
        ]
        lines.append("| " + " | ".join(padded) + " |")
    return "\n".join(lines)
