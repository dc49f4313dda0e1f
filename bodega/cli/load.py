"""``bodega load`` and ``bodega unload``: which model serves."""

from collections.abc import Sequence
from typing import Any, Final

import click

from bodega.cli.model_names import with_model
from bodega.cli.options import LOAD_SETTINGS
from bodega.cli.server import Server, client_command
from bodega.cli.settings import SETTINGS
from bodega.cli.value_types import adapter

_HOW: Final = tuple(name for name in LOAD_SETTINGS if name != "model")


def _with_load_settings(command: Any) -> Any:
    for name in reversed(_HOW):
        command = SETTINGS[name].option()(command)
    return command


@click.command(epilog="Example: bodega load mlx-community/Qwen3-0.6B-4bit --context-length 8192")
@with_model(help="A Hugging Face id, an imported model's id, a folder, or 'demo'.")
@_with_load_settings
@click.option("--no-download", is_flag=True, help="Fail if the model is not on the machine.")
@client_command
def load(
    server: Server, *, named: str, no_download: bool, lora: tuple[str, ...], **how: Any
) -> None:
    """Load a model in place of the loaded one.

    It is downloaded first if it is not on the server's machine; the loaded one serves meanwhile.
    """
    from bodega.cli.json_output import print_json
    from bodega.cli.loading import load_model

    with server.connect() as client:
        loaded = load_model(
            server, client, named, download=not no_download, **_adapters(server, lora), **how
        )
    if server.as_json:
        print_json(loaded)
        return
    for warning in loaded.warnings:
        click.echo(f"Warning: {warning}", err=True)
    click.echo(
        f"{loaded.model_id} serves, after {loaded.load_seconds:.1f} s, with a context of "
        f"{loaded.context_length} tokens."
    )


def _adapters(server: Server, given: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a load request that tell of the adapters; the user's own folders."""
    adapters = [adapter(text) for text in given]
    return {
        "lora_paths": [server.path(path) for path, _ in adapters],
        "lora_scales": [scale for _, scale in adapters],
    }


@click.command(epilog="Example: bodega unload --abort")
@click.option("--abort", is_flag=True, help="End running answers at once.")
@client_command
def unload(server: Server, *, abort: bool) -> None:
    """Unload the loaded model and give its memory back.

    Running answers may end before.
    """
    from bodega.cli.json_output import print_json

    with server.connect() as client:
        unloaded = client.unload(abort=abort)
    if server.as_json:
        print_json({"status": "unloaded", "model_id": unloaded})
    else:
        click.echo(f"{unloaded} is unloaded." if unloaded else "No model was loaded.")
