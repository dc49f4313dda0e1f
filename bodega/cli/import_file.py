"""``bodega import``: a GGUF file becomes a model that can be loaded."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bodega.cli.server import Server, client_command

if TYPE_CHECKING:
    from bodega.client.model_requests import Quantize


@click.command(
    "import", epilog="Example: bodega import qwen3-0.6b-q8_0.gguf --id qwen3 --quantize 8"
)
@click.argument("file", metavar="FILE.gguf")
@click.option("--id", "new_id", metavar="NAME", help="Its id, instead of the file's name.")
@click.option(
    "--quantize",
    type=click.Choice(["4", "8", "mxfp4", "none"]),
    help="How its weights are kept: in 4 or 8 bits, as MXFP4, or as 16-bit numbers. Without it as "
    "in the file, where MLX has the format.",
)
@client_command
def import_file(
    server: Server, *, file: str, new_id: str | None, quantize: "Quantize | None"
) -> None:
    """Turn a GGUF file into a model that can be loaded."""
    from rich.console import Console

    from bodega.cli.figures import size
    from bodega.cli.json_output import print_json
    from bodega.cli.models_server import models_server

    with (
        models_server(server, with_device=True) as models,
        Console(stderr=True, highlight=False).status(f"Importing {Path(file).name}"),
    ):
        imported = models.client.import_file(server.path(file), model_id=new_id, quantize=quantize)
    if server.as_json:
        print_json(imported)
        return
    for warning in imported.warnings:
        click.echo(f"Warning: {warning}", err=True)
    click.echo(
        f"{imported.model_id} is here, {size(imported.size_gb * 1e9)}: {imported.local_path}\n"
        f"To load it: bodega load {imported.model_id}"
    )
