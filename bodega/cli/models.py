"""``bodega list``, ``show`` and ``rm``: the models of this machine."""

import sys

import click

from bodega.cli.exit_codes import FAILED
from bodega.cli.model_names import with_model
from bodega.cli.server import Server, client_command


@click.command("list", epilog="Example: bodega list --json")
@click.option(
    "--verify",
    is_flag=True,
    help="Compare each model with the Hub, file by file. Slower, needs the Hub.",
)
@client_command
def list_models(server: Server, *, verify: bool) -> None:
    """List the models of this machine, the loaded one first."""
    from bodega_api.v1 import models_pb2

    from bodega.cli.json_output import print_json
    from bodega.cli.model_facts import print_models
    from bodega.cli.models_server import models_server

    with models_server(server) as models:
        known = models.client.list(verify_with_hub=verify)
    if server.as_json:
        print_json(models_pb2.ListModelsResponse(object="list", data=known))
    else:
        print_models(known)


@click.command(epilog="Example: bodega show mlx-community/Qwen3-0.6B-4bit")
@with_model(help="Its id; 'current' means the loaded one.")
@client_command
def show(server: Server, *, named: str) -> None:
    """Show what is known of a model of this machine."""
    from bodega.cli.json_output import print_json
    from bodega.cli.model_facts import print_model
    from bodega.cli.models_server import models_server

    with models_server(server) as models:
        model = models.client.show(named)
        loaded = models.client.current() if model.loaded else None
    if server.as_json:
        print_json(model)
    else:
        print_model(model, loaded)


@click.command(epilog="Example: bodega rm mlx-community/Qwen3-0.6B-4bit")
@with_model(help="Its id.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask first.")
@client_command
def rm(server: Server, *, named: str, yes: bool) -> None:
    """Remove a model's files from this machine. Asks first, if it is called in a terminal."""
    from bodega.cli.figures import size
    from bodega.cli.json_output import print_json
    from bodega.cli.models_server import models_server

    with models_server(server) as models:
        if not yes and sys.stdin.isatty():
            model = models.client.show(named)
            question = f"Remove {model.id}, {size(model.size_gb * 1e9)}?"
            if not click.confirm(question, err=True):
                raise click.exceptions.Exit(FAILED)
        deleted = models.client.delete(named)
    if server.as_json:
        print_json(deleted)
    else:
        click.echo(f"Removed {deleted.id}; {size(deleted.freed_bytes)} are free again.")
