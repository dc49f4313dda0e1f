"""Write GGUF files, version 3, as far as tests need them. Written from the format's description.

Unlike the gguf package's own writer it also writes what no sound program would.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize

ALIGNMENT: Final = 32

_U32, _I32, _F32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9

_HALVES: Final[Mapping[str, tuple[int, ...]]] = {
    "Q2_K": (80, 82),
    "Q3_K": (108,),
    "Q4_K": (0, 2),
    "Q5_K": (0, 2),
    "Q6_K": (208,),
    "Q4_1": (0, 2),
    "Q5_1": (0, 2),
    "TQ1_0": (52,),
    "TQ2_0": (64,),
}
"""Where a block has its 16-bit numbers; at its beginning in those that are not named."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor as a file holds it."""

    kind: str
    shape: tuple[int, ...]
    data: bytes

    def values(self) -> np.ndarray:
        """Return the numbers it holds, by the gguf package."""
        rows = np.frombuffer(self.data, dtype=np.uint8).reshape(*self.shape[:-1], -1)
        return dequantize(rows, GGMLQuantizationType[self.kind]).reshape(self.shape)


def stored(kind: str, values: np.ndarray) -> Stored:
    """Store numbers in a kind that the gguf package can write."""
    data = quantize(values.astype(np.float32), GGMLQuantizationType[kind])
    return Stored(kind, values.shape, data.tobytes())


def random_stored(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Stored:
    """Return a tensor of random blocks whose numbers are about as large as those of a model.

    So a kind can be tested that the gguf package reads and does not write.
    """
    if kind in ("F32", "F16", "BF16"):
        return stored(kind, rng.standard_normal(shape) * 2 / shape[-1] ** 0.5)
    block_weights, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    rows = int(np.prod(shape)) // block_weights
    blocks = rng.integers(0, 256, (rows, block_bytes), dtype=np.uint8)
    if kind == "MXFP4":
        blocks[:, 0] = rng.integers(121, 124, rows)
    elif kind == "IQ1_M":
        # Its number is spread over the upper bits of four words.
        blocks[:, 49::2] = blocks[:, 49::2] & 15 | np.array([0, 0, 0, 0x20], dtype=np.uint8)
    else:
        for at in _HALVES.get(kind, (0,)):
            numbers = rng.uniform(0.5, 1, (rows, 1)).astype("<f2")
            blocks[:, at : at + 2] = numbers.view(np.uint8)
    found = Stored(kind, shape, blocks.tobytes())
    if kind in ("MXFP4", "IQ1_M"):
        return found
    # Scaled by a power of 2, so that no rounding is added.
    wanted = 2 / shape[-1] ** 0.5 / float(found.values().std())
    for at in _HALVES.get(kind, (0,)):
        numbers = blocks[:, at : at + 2].copy().view("<f2") * np.float16(
            2 ** np.round(np.log2(wanted))
        )
        blocks[:, at : at + 2] = numbers.astype("<f2").view(np.uint8)
    return Stored(kind, shape, blocks.tobytes())


def write_gguf(path: Path, metadata: Mapping[str, Any], tensors: Mapping[str, Stored]) -> None:
    """Write a file.

    Args:
        path: where to.
        metadata: texts, whole numbers (as 32 bits), floats, bools, and lists of one of them.
        tensors: by name; the sides of a tensor are written in reverse.
    """
    header = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    header += [_text(key) + _value(value) for key, value in metadata.items()]
    data = b""
    for name, tensor in tensors.items():
        header.append(
            _text(name)
            + struct.pack("<I", len(tensor.shape))
            + struct.pack(f"<{len(tensor.shape)}Q", *reversed(tensor.shape))
            + struct.pack("<IQ", GGMLQuantizationType[tensor.kind].value, len(data))
        )
        data += tensor.data
        data += bytes(-len(data) % ALIGNMENT)
    front = b"".join(header)
    path.write_bytes(front + bytes(-len(front) % ALIGNMENT) + data)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _value(value: Any) -> bytes:
    kind, body = _scalar(value) if not isinstance(value, list) else (_ARRAY, b"")
    if kind != _ARRAY:
        return struct.pack("<I", kind) + body
    # Lists of whole numbers are signed in files: token types are.
    kind = {str: _STRING, float: _F32}.get(type(value[0]), _I32) if value else _STRING
    bodies = b"".join(_scalar(item)[1] for item in value)
    return struct.pack("<IIQ", _ARRAY, kind, len(value)) + bodies


def _scalar(value: Any) -> tuple[int, bytes]:
    if isinstance(value, str):
        return _STRING, _text(value)
    if isinstance(value, bool):
        return _BOOL, struct.pack("<?", value)
    if isinstance(value, int):
        return _U32, struct.pack("<I", value)
    return _F32, struct.pack("<f", value)
