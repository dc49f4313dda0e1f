"""How a GGUF file stores numbers: the kinds of blocks, and what they decode to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

from bodega.errors import InvalidModel

_KNOWN: Final = (
    "F32",
    "F16",
    "BF16",
    "Q4_0",
    "Q4_1",
    "Q5_0",
    "Q5_1",
    "Q8_0",
    "Q2_K",
    "Q3_K",
    "Q4_K",
    "Q5_K",
    "Q6_K",
    "IQ1_S",
    "IQ1_M",
    "IQ2_XXS",
    "IQ2_XS",
    "IQ2_S",
    "IQ3_XXS",
    "IQ3_S",
    "IQ4_NL",
    "IQ4_XS",
    "TQ1_0",
    "TQ2_0",
    "MXFP4",
)


@dataclass(frozen=True, slots=True)
class TensorKind:
    """How numbers are stored: so many weights in a block of so many bytes."""

    name: str
    block_weights: int
    block_bytes: int


def _kind(name: str) -> TensorKind:
    return TensorKind(name, *GGML_QUANT_SIZES[GGMLQuantizationType[name]])


KINDS: Final[Mapping[int, TensorKind]] = {
    GGMLQuantizationType[name].value: _kind(name) for name in _KNOWN
}
"""The kinds that are known, by the number that a file gives them."""


def decode(rows: "np.ndarray[Any, Any]", kind: TensorKind) -> "np.ndarray[Any, Any]":
    """Return the numbers of some rows of a tensor, in 32 bits.

    Args:
        rows: the bytes of each row.
        kind: how they are stored.

    Raises:
        InvalidModel: one of the numbers is not finite.
    """
    # Damaged blocks overflow; that is told below.
    with np.errstate(over="ignore", invalid="ignore"):
        numbers: np.ndarray[Any, Any] = dequantize(rows, GGMLQuantizationType[kind.name])
    if not np.isfinite(numbers).all():
        raise not_finite()
    return numbers


def not_finite() -> InvalidModel:
    """Return what to raise when a weight is no number, or one too large."""
    return InvalidModel("The GGUF file has weights that are not finite numbers; it is damaged.")
