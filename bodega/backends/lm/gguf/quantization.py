"""Which storage of a GGUF file MLX has too, and how else weights are quantized."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bodega.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Quantization:
    """A way of MLX's to quantize: groups of weights of a row share their scale.

    Attributes:
        mode: "affine" has a scale and a bias for each group, "mxfp4" an exponent of 8 bits.
    """

    bits: int
    group: int
    mode: str = "affine"

    def config(self) -> dict[str, Any]:
        """Return it as config.json has it."""
        return {"group_size": self.group, "bits": self.bits, "mode": self.mode}

    def size_bytes(self, weights: int, float_bytes: int) -> int:
        """Return what so many weights take, with scales of so many bytes."""
        group_bytes = 1 if self.mode == "mxfp4" else 2 * float_bytes
        return weights * self.bits // 8 + weights // self.group * group_bytes


KEPT: Final[Mapping[str, Quantization]] = {
    "Q4_0": Quantization(4, 32),
    "Q4_1": Quantization(4, 32),
    "Q5_0": Quantization(5, 32),
    "Q5_1": Quantization(5, 32),
    "Q8_0": Quantization(8, 32),
    "Q4_K": Quantization(4, 32),
    "Q5_K": Quantization(5, 32),
    "MXFP4": Quantization(4, 32, "mxfp4"),
}
"""The storage that MLX has too: the weights keep their codes. The scales of the K kinds, products
of two numbers, are rounded to 16 bits."""

FLOATS: Final = ("F32", "F16", "BF16")

_REQUESTS: Final[Mapping[str, Quantization | None]] = {
    "none": None,
    "4": Quantization(4, 64),
    "8": Quantization(8, 64),
    "mxfp4": Quantization(4, 32, "mxfp4"),
}

ROUTER: Final = Quantization(8, 64)
"""How the choice of experts is quantized at least, which few bits would falsify."""


def requested(quantize: str) -> Quantization | None:
    """Return what a request for quantization means.

    Raises:
        InvalidRequest: it is not known.
    """
    if quantize not in _REQUESTS:
        raise InvalidRequest(
            f"Weights can be kept as {', '.join(_REQUESTS)}, or as they are.", param="quantize"
        )
    return _REQUESTS[quantize]
