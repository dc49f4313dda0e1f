"""Write a model's weights as safetensors files, in bounded memory."""

import json
import os
import shutil
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final

import mlx.core as mx
import numpy as np

from bodega.backends.base import Piece
from bodega.backends.lm.gguf.packing import pack
from bodega.backends.lm.gguf.plan import Plan
from bodega.backends.lm.gguf.rows import read_rows, row_count
from bodega.backends.lm.gguf.storage import decode, not_finite
from bodega.backends.lm.gguf.weight import Weight
from bodega.errors import InsufficientDisk

FILE_BYTES: Final = 512 * 1024 * 1024
"""Weights that are held and then written as one file; a single larger one is, too."""

PIECE_WEIGHTS: Final = 4 * 1024 * 1024
"""Weights read in one piece of the job."""

SLOWEST_BYTES_PER_S: Final = 10 * 1024 * 1024
"""The slowest disk whose reading and writing is not taken for a hang."""

_PIECE_S: Final = 10.0 + 4 * PIECE_WEIGHTS / SLOWEST_BYTES_PER_S

_Arrays = dict[str, mx.array]


def write_weights(plan: Plan, folder: Path) -> Generator[Piece, None, None]:
    """Write them. On a thread that owns MLX.

    Raises:
        InvalidModel: the file was cut off meanwhile, or has numbers that are none.
        InsufficientDisk: the disk is full.
    """
    files = _files(plan)
    names = [_name(at, len(files)) for at in range(len(files))]
    total, done = plan.weight_bytes, 0
    for name, weights in zip(names, files, strict=True):
        arrays: _Arrays = {}
        for weight in weights:
            size = weight.size_bytes(plan.float_bytes)
            for share in _read(weight, plan, arrays):
                yield Piece(_PIECE_S, (done + share * size) / total)
            done += size
        size = sum(array.nbytes for array in arrays.values())
        yield Piece(10.0 + size / SLOWEST_BYTES_PER_S, done / total)
        _save(folder / name, arrays, size)
        del arrays
        mx.clear_cache()
    if len(files) > 1:
        _write_index(plan, folder, dict(zip(names, files, strict=True)))


def _files(plan: Plan) -> list[list[Weight]]:
    files: list[list[Weight]] = []
    room = 0
    for weight in plan.weights:
        size = weight.size_bytes(plan.float_bytes)
        if not files or size > room:
            files.append([])
            room = FILE_BYTES
        files[-1].append(weight)
        room -= size
    return files


def _name(at: int, count: int) -> str:
    return "model.safetensors" if count == 1 else f"model-{at + 1:05}-of-{count:05}.safetensors"


def _save(path: Path, arrays: _Arrays, size_bytes: int) -> None:
    try:
        mx.save_safetensors(str(path), arrays, metadata={"format": "mlx"})
        _sync(path)
    except (RuntimeError, OSError) as error:
        free = shutil.disk_usage(path.parent).free
        if free >= size_bytes:
            raise
        raise InsufficientDisk(needed_bytes=size_bytes, free_bytes=free) from error


def _sync(path: Path) -> None:
    """Put a file on the disk now, and not with all others at the end: it would take too long."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_index(plan: Plan, folder: Path, files: dict[str, list[Weight]]) -> None:
    places = {
        f"{weight.module}.{part}": name
        for name, weights in files.items()
        for weight in weights
        for part in _parts(weight)
    }
    index = {"metadata": {"total_size": plan.weight_bytes}, "weight_map": places}
    text = json.dumps(index, indent=2)
    (folder / "model.safetensors.index.json").write_text(text + "\n", encoding="utf-8")


def _parts(weight: Weight) -> Sequence[str]:
    if weight.quantization is None:
        return (weight.parameter.rpartition(".")[2],)
    if weight.quantization.mode == "mxfp4":
        return ("weight", "scales")
    return ("weight", "scales", "biases")


def _read(weight: Weight, plan: Plan, arrays: _Arrays) -> Generator[float, None, None]:
    """Read one tensor piece by piece into the arrays; before each piece, yield its share done."""
    tensor = weight.tensor
    rows = row_count(tensor)
    step = max(1, PIECE_WEIGHTS // tensor.shape[-1])
    pieces: list[list[mx.array]] = []
    for start in range(0, rows, step):
        yield start / rows
        data = read_rows(tensor, start, min(step, rows - start))
        piece = _converted(weight, data, getattr(mx, plan.float_type))
        mx.eval(piece)
        pieces.append(piece)
    for part, chunks in zip(_parts(weight), zip(*pieces, strict=True), strict=True):
        array = chunks[0] if len(chunks) == 1 else mx.concatenate(list(chunks))
        # A list of numbers was read as one row.
        array = array.reshape(*tensor.shape[:-1], -1)
        if weight.turned_heads is not None:
            array = in_halves(array, weight.turned_heads)
        mx.eval(array)
        arrays[f"{weight.module}.{part}"] = array


def _converted(weight: Weight, data: np.ndarray, dtype: mx.Dtype) -> list[mx.array]:
    """Return some rows of a tensor as they are to be kept: one array for each of its parts."""
    kind, quantization = weight.tensor.kind, weight.quantization
    if weight.keeps_codes:
        packed = pack(data, kind)
        arrays = [mx.array(packed.words)]
        if packed.biases is None:
            return [*arrays, mx.array(packed.scales)]
        return [*arrays, _as_floats(packed.scales, dtype), _as_floats(packed.biases, dtype)]
    numbers = _as_floats(decode(data, kind) + np.float32(weight.offset), dtype)
    if quantization is None:
        return [numbers]
    return list(
        mx.quantize(
            numbers,
            group_size=quantization.group,
            bits=quantization.bits,
            mode=quantization.mode,
        )
    )


def _as_floats(numbers: np.ndarray, dtype: mx.Dtype) -> mx.array:
    floats = mx.array(numbers).astype(dtype)
    if not mx.isfinite(floats).all().item():
        raise not_finite()
    return floats


def in_halves(rows: mx.array, heads: int) -> mx.array:
    """Put the rows of query or key weights in the order that MLX turns by position.

    Within a head GGUF files of some architectures keep the two rows that are turned together side
    by side; MLX and Hugging Face keep all first ones, then all second ones.
    """
    split = rows.reshape(heads, -1, 2, *rows.shape[1:])
    return split.swapaxes(1, 2).reshape(rows.shape)
