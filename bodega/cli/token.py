"""The token that a command guards its server with, and the hosts that need one."""

from pathlib import Path
from typing import Any

import click

from bodega.cli.value_types import token_text
from bodega.listen import ListenError, check_host

_MAX_FILE_BYTES = 64 * 1024


def guarding_token(settings: dict[str, Any]) -> str | None:
    """Return the token that the settings name, or None without one.

    Raises:
        click.UsageError: they name two, the file holds none, or the host needs one.
    """
    token = read_token(settings["token"], settings["token_file"])
    try:
        check_host(settings["host"], has_token=token is not None)
    except ListenError as error:
        raise click.UsageError(str(error)) from error
    return token


def read_token(token: str | None, file: Path | None) -> str | None:
    """Return the token that is given, or the one in a file, or None without either.

    Raises:
        click.UsageError: both are given, or the file holds none.
    """
    if file is None:
        return token
    if token is not None:
        raise click.UsageError("Both a token and a file with one are given; one is enough.")
    return _read(file)


def _read(file: Path) -> str:
    """Return the token in a file, without the line's end."""
    try:
        with file.open("rb") as opened:
            text = opened.read(_MAX_FILE_BYTES).decode("ascii", errors="replace")
    except OSError as error:
        raise click.UsageError(f"--token-file: {file}: {error.strerror}") from error
    try:
        return token_text(text.strip())
    except click.BadParameter as error:
        raise click.UsageError(f"--token-file: {file}: {error.message}") from error
