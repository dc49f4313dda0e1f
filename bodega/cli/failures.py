"""What went wrong, told on standard error, and the exit code that means it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click
import orjson

from bodega.cli.exit_codes import FAILED, NO_SERVER
from bodega.client import UNREACHABLE, CallError
from bodega.errors import BodegaError

_AT_THE_COMMAND_LINE: Final = {
    "missing_api_key": "set BODEGA_TOKEN, or give --token-file FILE",
    "invalid_api_key": "set BODEGA_TOKEN, or give --token-file FILE",
    "no_model_loaded": "bodega load MODEL",
    "download_not_found": "bodega ps",
}
"""What the server's advice, which is for all its callers, comes to here."""


@contextmanager
def told_failures(*, as_json: bool) -> Iterator[None]:
    """Tell what fails inside, in a line or as one JSON object a line, and leave with its code."""
    try:
        yield
    except CallError as error:
        tell_failure(error, as_json=as_json)
        raise click.exceptions.Exit(NO_SERVER if error.code == UNREACHABLE else FAILED) from error
    except BodegaError as error:
        tell_failure(error, as_json=as_json)
        raise click.exceptions.Exit(FAILED) from error


def tell_failure(error: CallError | BodegaError, *, as_json: bool) -> None:
    """Tell what went wrong on standard error."""
    if as_json:
        told = {"message": error.message, "param": error.param, "code": error.code}
        click.echo(orjson.dumps({"error": told}), err=True)
        return
    advice = ""
    if error.code in _AT_THE_COMMAND_LINE:
        advice = f" At the command line: {_AT_THE_COMMAND_LINE[error.code]}"
    elif error.retry_after_s is not None:
        advice = f" It may succeed in {error.retry_after_s:.0f} s."
    sys.stdout.flush()
    click.secho(f"Error: {error.message}{advice}", err=True, fg="red")
