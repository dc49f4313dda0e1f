"""The argument that names a model, completed by shells with those of this machine."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from bodega.cli.settings import Command


def with_model(*, help: str, required: bool = True) -> Callable[[Command], Command]:
    """Return the decorator that gives a command the argument MODEL, named ``named``.

    Args:
        help: what it may be, told in the command's help.
        required: whether it must be there.
    """

    def decorate(command: Command) -> Command:
        # Not called 'model', which is a setting that a settings file may hold.
        command.__doc__ = f"{command.__doc__}\n\nMODEL: {help}"
        return click.argument(
            "named",
            metavar="MODEL" if required else "[MODEL]",
            required=required,
            shell_complete=_complete,
        )(command)

    return decorate


def _complete(_: click.Context, __: click.Parameter, begun: str) -> Sequence[Any]:
    from bodega.config import DEMO_MODEL, default_home
    from bodega.hub.imported import imported_folders
    from bodega.hub.paths import repository_folders

    found = [*imported_folders(default_home()), *repository_folders()]
    names = [DEMO_MODEL, *(name for name, _ in found)]
    return [name for name in names if name.startswith(begun)]
