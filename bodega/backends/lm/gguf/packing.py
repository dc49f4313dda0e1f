"""Turn blocks of a GGUF file into MLX's quantized arrays, code by code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bodega.backends.lm.gguf.quantization import KEPT
from bodega.backends.lm.gguf.storage import TensorKind

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Packed:
    """Quantized rows.

    Attributes:
        words: the codes, packed into 32 bits.
        scales: one for each group: a number, or the exponent of MXFP4.
        biases: one for each group, if the mode has them.
    """

    words: Array
    scales: Array
    biases: Array | None


def pack(rows: Array, kind: TensorKind) -> Packed:
    """Return the same weights as MLX has them.

    Args:
        rows: the bytes of each row.
        kind: how they are stored, one of those that MLX has too.
    """
    count = len(rows)
    blocks = rows.reshape(-1, kind.block_bytes)
    if kind.name == "MXFP4":
        codes = _nibbles(blocks[:, 1:])
        return Packed(_words(codes, 4, count), blocks[:, 0].reshape(count, -1), None)
    with np.errstate(over="ignore", invalid="ignore"):
        codes, scales, biases = _UNPACK[kind.name](blocks)
    bits = KEPT[kind.name].bits
    return Packed(_words(codes, bits, count), scales.reshape(count, -1), biases.reshape(count, -1))


def _words(codes: Array, bits: int, count: int) -> Array:
    """Pack codes of so many bits, the first one lowest, and return so many rows of words."""
    if bits == 8:
        packed = codes
    elif bits == 4:
        pairs = codes.reshape(-1, 2)
        packed = pairs[:, 0] | pairs[:, 1] << 4
    else:
        single = np.unpackbits(codes.reshape(-1, 1), axis=1, count=bits, bitorder="little")
        packed = np.packbits(single.reshape(-1), bitorder="little")
    words: Array = np.ascontiguousarray(packed).reshape(count, -1).view("<u4")
    return words


def _half(blocks: Array, at: int) -> Array:
    """Return the 16-bit number at a place of each block, in 32 bits."""
    number: Array = blocks[:, at : at + 2].copy().view("<f2").astype(np.float32)
    return number


def _nibbles(packed: Array) -> Array:
    """Return the codes of blocks: all low halves of their bytes, then all high ones."""
    return np.concatenate([packed & 15, packed >> 4], axis=1)


def _fifth_bits(packed: Array) -> Array:
    bits: Array = np.unpackbits(packed, axis=1, bitorder="little")
    return bits << 4


def _q4_0(blocks: Array) -> tuple[Array, Array, Array]:
    scale = _half(blocks, 0)
    return _nibbles(blocks[:, 2:]), scale, -8 * scale


def _q4_1(blocks: Array) -> tuple[Array, Array, Array]:
    return _nibbles(blocks[:, 4:]), _half(blocks, 0), _half(blocks, 2)


def _q5_0(blocks: Array) -> tuple[Array, Array, Array]:
    scale = _half(blocks, 0)
    return _nibbles(blocks[:, 6:]) | _fifth_bits(blocks[:, 2:6]), scale, -16 * scale


def _q5_1(blocks: Array) -> tuple[Array, Array, Array]:
    codes = _nibbles(blocks[:, 8:]) | _fifth_bits(blocks[:, 4:8])
    return codes, _half(blocks, 0), _half(blocks, 2)


def _q8_0(blocks: Array) -> tuple[Array, Array, Array]:
    scale = _half(blocks, 0)
    # Signed codes become unsigned ones, 128 larger.
    return blocks[:, 2:] ^ 0x80, scale, -128 * scale


def _q4_k(blocks: Array) -> tuple[Array, Array, Array]:
    scales, biases = _k_scales(blocks)
    return _k_nibbles(blocks[:, 16:]), scales, biases


def _q5_k(blocks: Array) -> tuple[Array, Array, Array]:
    scales, biases = _k_scales(blocks)
    # Bit g of a byte belongs to group g.
    shifts = np.arange(8, dtype=np.uint8).reshape(1, 8, 1)
    high = (blocks[:, np.newaxis, 16:48] >> shifts & 1) << 4
    return _k_nibbles(blocks[:, 48:]) | high.reshape(len(blocks), -1), scales, biases


def _k_nibbles(packed: Array) -> Array:
    """Return the codes of blocks in which every 32 bytes hold two groups."""
    quarters = packed.reshape(-1, 4, 1, 32)
    return np.concatenate([quarters & 15, quarters >> 4], axis=2).reshape(len(packed), -1)


def _k_scales(blocks: Array) -> tuple[Array, Array]:
    """Return scale and bias of the eight groups of each block.

    Both are 6-bit multiples of a number of the block. Those of the first four groups lie in a
    byte each, whose upper bits belong to the last four groups.
    """
    first, second, rest = blocks[:, 4:8], blocks[:, 8:12], blocks[:, 12:16]
    scales = np.concatenate([first & 63, rest & 15 | first >> 6 << 4], axis=1)
    least = np.concatenate([second & 63, rest >> 4 | second >> 6 << 4], axis=1)
    return _half(blocks, 0) * scales, -_half(blocks, 2) * least


_UNPACK: Final[Mapping[str, Callable[[Array], tuple[Array, Array, Array]]]] = {
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
}
