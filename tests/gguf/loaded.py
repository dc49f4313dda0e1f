"""Load an imported folder as the server does."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.utils import dequantize_model

from bodega.backends.base import Piece
from bodega.backends.lm.files import inspect
from bodega.backends.lm.loading import LmLoading
from bodega.config import LoadParameters
from tests.gguf.tiny_models import TOKENS


def run(job: Generator[Piece, None, Any]) -> Any:
    """Run a job to its end and return its result."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


def load(folder: Path) -> Any:
    """Return the loaded model."""
    loading = LmLoading(inspect(folder, LoadParameters(model_path=str(folder), context_length=256)))
    run(loading.build())
    return run(loading.read())


def widened_logits(folder: Path, tokens: list[int] = TOKENS) -> np.ndarray:
    """Return the same with scales in 32 bits: what is quantized is then not rounded any more."""
    loading = LmLoading(inspect(folder, LoadParameters(model_path=str(folder), context_length=256)))
    run(loading.build())
    module: Any = loading._model
    module.set_dtype(mx.float32)
    return np.array(dequantize_model(module)(mx.array([tokens])))


def logits(folder: Path, tokens: list[int] = TOKENS) -> np.ndarray:
    """Return what the loaded model says to some tokens."""
    module: Any = load(folder)._parts[0]
    return np.array(module(mx.array([tokens])).astype(mx.float32))
