"""Read rows of a tensor from a GGUF file. Nothing is mapped: a file may be cut off meanwhile."""

import os
from typing import Any

import numpy as np

from bodega.backends.lm.gguf.header import Tensor
from bodega.errors import InvalidModel


def row_count(tensor: Tensor) -> int:
    """Return how many rows a tensor has; a list of numbers is one row."""
    return tensor.weights // tensor.shape[-1]


def read_rows(tensor: Tensor, start: int, count: int) -> "np.ndarray[Any, Any]":
    """Return the bytes of some rows.

    Raises:
        InvalidModel: the file does not have them any more, or cannot be read.
    """
    row_bytes = tensor.size_bytes // row_count(tensor)
    rows: np.ndarray[Any, Any] = np.empty((count, row_bytes), dtype=np.uint8)
    try:
        with tensor.file.open("rb", buffering=0) as stream:
            stream.seek(tensor.position + start * row_bytes, os.SEEK_SET)
            _fill(stream, rows.reshape(-1).data)
    except OSError as error:
        raise InvalidModel(f"The GGUF file cannot be read: {error.strerror}.") from error
    return rows


def _fill(stream: Any, target: memoryview) -> None:
    while target:
        read = stream.readinto(target)
        if not read:
            raise InvalidModel("The GGUF file was cut off while it was read.")
        target = target[read:]
