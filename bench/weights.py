"""A model as the server holds it: what is compared must compute with the same weights."""

from pathlib import Path
from typing import Any


def read_model(folder: Path) -> Any:
    """Return mlx-lm's model, its weights in the form that the server turns them into here."""
    from mlx_lm.utils import load_model

    from bodega.backends import device
    from bodega.backends.lm.loading import as_float32

    model = load_model(folder)[0]
    if device.on_cpu():
        as_float32(model)
    return model
