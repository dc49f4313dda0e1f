"""``bodega chat``: a conversation in the terminal."""

import sys
from typing import Any

import click

from bodega.cli.answering import given, with_answer_options
from bodega.cli.exit_codes import FAILED
from bodega.cli.model_names import with_model
from bodega.cli.server import Server, client_command


@click.command(epilog="Example: bodega chat demo --temperature 0")
@with_model(help="As in 'bodega load'; the loaded one without it.", required=False)
@with_answer_options
@client_command
def chat(server: Server, *, named: str | None, system: str | None, **options: Any) -> None:
    """Talk with a model. It is loaded if it is not the loaded one.

    Enter sends, Alt-Enter begins a new line, arrows go through what was said before. Ctrl-C
    stops an answer, Ctrl-D leaves.
    """
    if server.as_json:
        raise click.UsageError("A conversation is not one JSON value; 'bodega run --json' is.")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("This needs a terminal; 'bodega run' does not.")
    from bodega.cli.conversation import Conversation
    from bodega.cli.loading import CURRENT, is_loaded, load_model

    with server.connect() as client:
        if not is_loaded(server, client, named or CURRENT):
            load_model(server, client, named or CURRENT)
        info = client.current()
        if info is None:
            click.echo("Error: No model is loaded. Name one: bodega chat MODEL", err=True)
            raise click.exceptions.Exit(FAILED)
        Conversation(client, info.model_id, system=system, options=given(options)).hold()
