"""``bodega ps``: what the server does now."""

from typing import TYPE_CHECKING

import click

from bodega.cli.server import Server, client_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bodega_api.v1 import admin_pb2, models_pb2


@click.command(epilog="Example: bodega ps --json")
@client_command
def ps(server: Server) -> None:
    """Show what the server does: its model, requests, downloads."""
    from bodega.cli.json_output import print_json

    with server.connect() as client:
        health, info, stats = client.health(), client.current(), client.queue()
        downloads = client.downloads()
    if server.as_json:
        told = {"health": health, "model_info": info, "queue_stats": stats}
        print_json({**told, "downloads": list(downloads)})
        return
    _print_model(health, info, stats)
    if downloads:
        click.echo()
        _print_downloads(downloads)


def _print_model(
    health: "admin_pb2.GetHealthResponse",
    info: "admin_pb2.ModelInfo | None",
    stats: "admin_pb2.QueueStats",
) -> None:
    from bodega_api.v1 import admin_pb2

    from bodega.cli.figures import moment, size
    from bodega.cli.tables import print_table

    state = admin_pb2.ModelStatus.Name(health.model_status).removeprefix("MODEL_STATUS_").lower()
    if info is None:
        click.echo("A model is being loaded." if state == "loading" else "No model is loaded.")
    else:
        titles = ("MODEL", "STATE", "RUNNING", "WAITING", "TOKENS/S", "CONTEXT", "MEMORY", "LOADED")
        row = (
            info.model_id,
            "serves" if health.status == admin_pb2.HEALTH_STATUS_OK else state,
            f"{stats.active_requests} of {info.max_concurrency}",
            f"{stats.queue_size} of {info.queue_size}",
            f"{stats.tokens_per_second:.1f}",
            str(info.context_length),
            size(stats.memory.active_bytes),
            moment(info.loaded_at),
        )
        print_table(titles, [row])
    if health.reason:
        click.echo(f"Unhealthy: {health.reason}", err=True)


def _print_downloads(downloads: "Sequence[models_pb2.Download]") -> None:
    from bodega.cli.figures import duration, size
    from bodega.cli.tables import print_table

    rows = [
        (
            one.model_path,
            f"{one.progress.progress:.1f} %",
            size(one.progress.total_bytes),
            f"{size(one.progress.bytes_per_second)}/s",
            duration(one.progress.seconds_left) if one.progress.HasField("seconds_left") else "-",
        )
        for one in downloads
    ]
    print_table(("DOWNLOAD", "HERE", "SIZE", "RATE", "LEFT"), rows)
