"""How many weights a model has, from the headers of its safetensors files alone.

Packed weights are counted singly, and what belongs to their packing is not counted.
"""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, Final

import orjson

_MAX_HEADER_BYTES: Final = 32 * 1024 * 1024
_PACKINGS: Final = (
    "_scale", "_scale_inv", "_scales", ".biases", ".g_idx", ".qzeros", ".scales", ".weight_scale",
)  # fmt: skip
_WORD_BITS: Final = 32


def count_parameters(files: Sequence[Path], config: Mapping[str, Any]) -> int | None:
    """Return how many weights some files hold, or None if a header cannot be read.

    Args:
        files: the safetensors files of a model.
        config: the model's configuration, which tells how they are packed.
    """
    tensors: dict[str, Any] = {}
    for file in files:
        header = _header(file)
        if header is None:
            return None
        tensors |= header
    try:
        return (
            sum(_count(name, tensor, tensors, config) for name, tensor in tensors.items()) or None
        )
    except (LookupError, TypeError, AttributeError):
        return None


def _header(file: Path) -> dict[str, Any] | None:
    try:
        with file.open("rb") as source:
            size_bytes = int.from_bytes(source.read(8), "little")
            if not 0 < size_bytes <= _MAX_HEADER_BYTES:
                return None
            header = orjson.loads(source.read(size_bytes))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(header, dict):
        return None
    header.pop("__metadata__", None)
    return header


def _count(
    name: str, tensor: Mapping[str, Any], tensors: Mapping[str, Any], config: Mapping[str, Any]
) -> int:
    if name.endswith(_PACKINGS):
        return 0
    elements: int = prod(tensor["shape"])
    kind = tensor["dtype"]
    stem = name.rpartition(".")[0]
    if kind == "U32" and f"{stem}.scales" in tensors:
        return elements * _WORD_BITS // _bits(stem, config)
    if kind == "I32" and name.endswith(".qweight"):
        return elements * _WORD_BITS // _bits(stem, config)
    if kind == "U8" and name.endswith("_blocks"):
        return elements * 2
    return elements


def _bits(layer: str, config: Mapping[str, Any]) -> int:
    """Return the bits of a layer's weights; the configuration may have it by the layer's name."""
    for key in ("quantization", "quantization_config"):
        given = config.get(key)
        if isinstance(given, dict):
            own = given.get(layer)
            bits = own.get("bits") if isinstance(own, dict) else None
            bits = given.get("bits") if bits is None else bits
            if type(bits) is int and 0 < bits <= _WORD_BITS:
                return bits
    raise LookupError("bits")
