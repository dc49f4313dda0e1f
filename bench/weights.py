"""A model as the server holds it: what is compared must compute in the same way."""

from pathlib import Path
from typing import Any


def read_model(folder: Path) -> Any:
    """Return mlx-lm's model, its weights in the form that the server turns them into here.

    The BLAS library is left as many threads as the server leaves it.
    """
    import mlx.core as mx
    from mlx_lm.utils import load_model

    from bodega.backends import blas_threads, device
    from bodega.backends.lm.loading import as_float32
    from bodega.backends.lm.model import TRIED_TOKENS

    model = load_model(folder)[0]
    if device.on_cpu():
        as_float32(model)
    tokens = mx.zeros((1, TRIED_TOKENS), mx.int32)
    for _ in blas_threads.fit(lambda: mx.eval(model(tokens))):
        pass
    return model
