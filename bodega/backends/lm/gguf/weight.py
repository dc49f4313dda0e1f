"""What becomes of one tensor of a GGUF file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bodega.backends.lm.gguf.header import Tensor
from bodega.backends.lm.gguf.quantization import Quantization

FLOAT_BYTES: Final[Mapping[str, int]] = {"float16": 2, "bfloat16": 2, "float32": 4}
"""What numbers take that are not quantized, by the names of their types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """What becomes of one tensor.

    Attributes:
        parameter: what MLX calls it.
        quantization: how it is quantized, if it is.
        keeps_codes: whether its codes are those of the file.
        turned_heads: heads whose rows the file has in an order of its own.
        offset: what is added to each number.
    """

    tensor: Tensor
    parameter: str
    quantization: Quantization | None
    keeps_codes: bool
    turned_heads: int | None
    offset: float

    @property
    def module(self) -> str:
        """What MLX calls the module it belongs to."""
        return self.parameter.rpartition(".")[0]

    def size_bytes(self, float_bytes: int) -> int:
        """Return what it takes in the result."""
        if self.quantization is None:
            return self.tensor.weights * float_bytes
        return self.quantization.size_bytes(self.tensor.weights, float_bytes)

    @property
    def is_matrix(self) -> bool:
        """Whether it is one that could be quantized."""
        return len(self.tensor.shape) > 1 and self.parameter.endswith(".weight")
