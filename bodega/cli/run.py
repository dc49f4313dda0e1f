"""``bodega run``: one question, one answer."""

import sys
from typing import Any

import click

from bodega.cli.answering import given, with_answer_options
from bodega.cli.model_names import with_model
from bodega.cli.server import Server, client_command


@click.command(epilog="Example: bodega run demo 'What is the capital of France?'")
@with_model(help="As in 'bodega load'; 'current' means the loaded one.")
@click.argument("prompt", required=False)
@with_answer_options
@client_command
def run(
    server: Server, *, named: str, prompt: str | None, system: str | None, **options: Any
) -> None:
    """Ask a model and stream its answer. The model is loaded if it is not the loaded one.

    PROMPT may come from a pipe; where both are given, what is piped follows it.
    """
    from bodega.cli.json_output import print_json
    from bodega.cli.loading import CURRENT, is_loaded, load_model
    from bodega.cli.shown_answer import ShownAnswer

    messages = _messages(prompt, system)
    with server.connect() as client:
        if not is_loaded(server, client, named):
            load_model(server, client, named)
        if server.as_json:
            print_json(client.chat(messages, model=CURRENT, **given(options)))
            return
        shown = ShownAnswer(in_terminal=sys.stdout.isatty())
        with client.stream(messages, model=CURRENT, **given(options)) as answer:
            for delta in answer.deltas():
                shown.add(delta)
    click.echo()


def _messages(prompt: str | None, system: str | None) -> list[dict[str, str]]:
    parts = [prompt] if prompt else []
    if not sys.stdin.isatty() and (piped := sys.stdin.read().strip()):
        parts.append(piped)
    if not parts:
        raise click.UsageError("A prompt is missing. 'bodega chat' asks for one again and again.")
    system_message = [{"role": "system", "content": system}] if system else []
    return [*system_message, {"role": "user", "content": "\n\n".join(parts)}]
