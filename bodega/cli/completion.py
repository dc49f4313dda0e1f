"""``bodega completion``: what a shell needs to complete commands, flags and models."""

import click
from click.shell_completion import get_completion_class

_PROGRAM = "bodega"
_VARIABLE = "_BODEGA_COMPLETE"


@click.command(epilog='Example, for ~/.bashrc: eval "$(bodega completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print the script that completes commands in a shell."""
    known = get_completion_class(shell)
    if known is None:
        raise click.UsageError(f"click cannot complete in {shell}.")
    root = context.find_root().command
    click.echo(known(root, {}, _PROGRAM, _VARIABLE).source())
