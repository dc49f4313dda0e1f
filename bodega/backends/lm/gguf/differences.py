"""What differs between a GGUF file and what it becomes, for people."""

from collections.abc import Sequence

from bodega.backends.lm.gguf.quantization import FLOATS, KEPT, Quantization, requested
from bodega.backends.lm.gguf.weight import FLOAT_BYTES, Weight


def differences(weights: Sequence[Weight], float_type: str, quantize: str | None) -> list[str]:
    """Return how weights differ from those of the file, beside what was asked for.

    Args:
        weights: all of a model.
        float_type: the type of all that is not quantized, and of scales.
        quantize: how they were to be kept; None: as they are.
    """
    matrices = [weight for weight in weights if weight.is_matrix]
    if quantize is None:
        return _from_file(matrices, float_type)
    request = requested(quantize)
    return [] if request is None else _from_request(matrices, float_type, request)


def _from_request(matrices: list[Weight], float_type: str, request: Quantization) -> list[str]:
    """Return what is to be said of weights that were to be quantized anew."""
    warnings: list[str] = []
    again = {
        kind
        for weight in matrices
        if (kind := weight.tensor.kind.name) in KEPT and KEPT[kind].bits == request.bits
    }
    if again:
        warnings.append(
            f"The file's {', '.join(sorted(again))} weights are quantized to {request.bits} bits "
            "already, and lose more when that is done anew. Import without quantize to keep them."
        )
    plain = sum(weight.quantization is None for weight in matrices)
    if plain:
        warnings.append(
            f"{plain} tensors are kept as {float_type}: their rows cannot be divided into groups "
            f"of {request.group}."
        )
    return warnings


def _from_file(matrices: list[Weight], float_type: str) -> list[str]:
    """Return how weights differ from those of the file that were to be kept as they are."""
    warnings: list[str] = []
    plain = [
        weight.tensor
        for weight in matrices
        if weight.quantization is None and weight.tensor.kind.name not in FLOATS
    ]
    if plain:
        kinds = ", ".join(sorted({tensor.kind.name for tensor in plain}))
        size = sum(tensor.weights for tensor in plain) * FLOAT_BYTES[float_type]
        held = sum(tensor.size_bytes for tensor in plain)
        warnings.append(
            f"MLX has no storage like {kinds}: {len(plain)} tensors of the file are kept as "
            f"{float_type} and take {size / 1e9:.2f} GB, not {held / 1e9:.2f} GB. Import with "
            "quantize 4 or 8 for a smaller model."
        )
    rounded = {weight.tensor.kind.name for weight in matrices if weight.keeps_codes} - {"MXFP4"}
    if float_type == "float16":
        rounded &= {"Q4_K", "Q5_K"}
    if rounded:
        warnings.append(
            f"The scales of {', '.join(sorted(rounded))} weights are rounded to {float_type}; "
            "their codes are those of the file."
        )
    return warnings
