"""The command ``bodega``. Starts fast: what a command needs is imported inside it."""

import click

from bodega import __version__
from bodega.cli.chat import chat
from bodega.cli.completion import completion
from bodega.cli.core import core
from bodega.cli.doctor import doctor
from bodega.cli.exit_codes import INTERRUPTED
from bodega.cli.gateway import gateway
from bodega.cli.import_file import import_file
from bodega.cli.load import load, unload
from bodega.cli.models import list_models, rm, show
from bodega.cli.ps import ps
from bodega.cli.pull import pull
from bodega.cli.run import run
from bodega.cli.serve import serve


class Commands(click.Group):
    """The commands, in the order in which they are told, and what Ctrl-C means in all of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which the commands were added."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; one that is interrupted ends with the exit code that means it."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort) as error:
            click.echo(err=True)
            raise click.exceptions.Exit(INTERRUPTED) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="bodega %(version)s")
def main() -> None:
    """Serve language models from this machine, with OpenAI's API over HTTP and with gRPC.

    Every setting is a flag, a variable (BODEGA_PORT for --port) and a key of a TOML file (port).
    A flag goes before a variable, a variable before the file.
    """


for command in (
    *(serve, core, gateway),
    *(pull, import_file, list_models, show, rm),
    *(load, unload, ps, run, chat),
    *(doctor, completion),
):
    main.add_command(command)
