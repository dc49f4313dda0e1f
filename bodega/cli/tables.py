"""Tables on standard output: coloured and fitted in a terminal, plain and whole elsewhere."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WHOLE: Final = 4096
"""Columns of an output that nobody looks at, so that nothing is cut."""


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below the titles of their columns. What is in a cell is text and nothing else."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title, no_wrap=title == titles[0], overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    _print(table)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one a line."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, Text(value))
    _print(table)


def _print(table: Table) -> None:
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(table)
        return
    console.width = _WHOLE
    with console.capture() as printed:
        console.print(table)
    for line in printed.get().splitlines():
        console.print(line.rstrip(), markup=False, soft_wrap=True)
