"""How to answer, as flags, for the commands that ask a model."""

from typing import Any, Final

import click

from bodega.cli.settings import Command

_OPTIONS: Final = (
    ("--system", "TEXT", click.STRING, "Instructions that stand above the conversation."),
    ("--temperature", "NUMBER", click.FloatRange(0, 2), "From 0, always the likeliest token."),
    ("--top-p", "NUMBER", click.FloatRange(0, 1), "Choose among tokens that add up to this."),
    ("--top-k", "N", click.IntRange(-1), "Choose among so many likeliest tokens."),
    ("--max-tokens", "N", click.IntRange(1), "Most tokens of an answer."),
    ("--seed", "N", click.INT, "The same seed gives the same answer."),
)


def with_answer_options(command: Command) -> Command:
    """Give a command the flags that say how to answer. Those not given have no value."""
    for flag, metavar, type_, help_ in reversed(_OPTIONS):
        command = click.option(flag, metavar=metavar, type=type_, help=help_)(command)
    return command


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}
