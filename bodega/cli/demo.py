"""The demo model is fetched before the server starts, where its progress can be seen."""

import logging
import signal

import click

from bodega.config import DEMO_MODEL, LoadParameters, default_home
from bodega.errors import BodegaError

logger = logging.getLogger(__name__)


def fetch_if_demo(load: LoadParameters | None) -> None:
    """Fetch the demo model if it is the one to load and is not here yet.

    Raises:
        click.exceptions.Exit: it cannot be fetched, which has been logged.
    """
    if load is None or load.model_path != DEMO_MODEL:
        return
    from bodega.hub.demo import fetch_demo

    # So that SIGTERM, as Ctrl-C does, ends the download too and not this process alone.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        fetch_demo(default_home())
    except BodegaError as error:
        logger.error("%s", error.message)  # noqa: TRY400 - one line says it
        raise click.exceptions.Exit(1) from error
    finally:
        signal.signal(signal.SIGTERM, before)
