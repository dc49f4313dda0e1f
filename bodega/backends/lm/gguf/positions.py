"""How a model turns queries and keys by position, and how positions are stretched."""

from math import pi
from typing import Any, Final

import numpy as np

from bodega.backends.lm.gguf.architecture import Architecture
from bodega.backends.lm.gguf.facts import Dimensions, Facts
from bodega.backends.lm.gguf.header import Header
from bodega.backends.lm.gguf.rows import read_rows
from bodega.backends.lm.gguf.storage import decode
from bodega.errors import InvalidModel, UnsupportedModel

LLAMA3_TABLE: Final = "rope_freqs.weight"
LONG_TABLE: Final = "rope_factors_long.weight"
SHORT_TABLE: Final = "rope_factors_short.weight"

_LLAMA3_LOW: Final = 1.0
_LLAMA3_HIGH: Final = 4.0
_LLAMA3_CONTEXTS: Final = (8_192, 4_096, 16_384, 32_768)
"""Lengths that such models were first trained with, the usual one first."""


def positions_config(
    header: Header, facts: Facts, dimensions: Dimensions, architecture: Architecture
) -> dict[str, Any]:
    """Return what config.json says of positions.

    Raises:
        InvalidModel: the file's numbers do not make sense.
        UnsupportedModel: the model stretches positions in a way that mlx-lm does not know of it.
    """
    if dimensions.turned != dimensions.head and not architecture.partly_turned:
        raise UnsupportedModel(
            "The GGUF file's model has heads that are partly turned by position, which is not "
            f"known of {facts.architecture}."
        )
    base = facts.number("rope.freq_base", 10_000.0)
    kind = _kind(header, facts)
    config: dict[str, Any] = {"rope_theta": base}
    if kind == "none":
        return config
    if kind not in architecture.stretches:
        known = ", ".join(["none", *sorted(architecture.stretches)])
        raise UnsupportedModel(
            f"The GGUF file's model stretches positions by {kind!r}; known of "
            f"{facts.architecture} are {known}."
        )
    if kind == "longrope":
        # Of this kind mlx-lm wants the length beside the tables, not among them.
        config["original_max_position_embeddings"] = _original_length(facts, dimensions)
    return {**config, "rope_scaling": _scaling(kind, header, facts, dimensions)}


def _kind(header: Header, facts: Facts) -> str:
    if LLAMA3_TABLE in header.tensors:
        return "llama3"
    if LONG_TABLE in header.tensors or SHORT_TABLE in header.tensors:
        return "longrope"
    # Older files tell a factor alone.
    has_factor = "rope.scaling.factor" in facts or "rope.scale_linear" in facts
    return facts.text("rope.scaling.type", "linear" if has_factor else "none")


def _scaling(kind: str, header: Header, facts: Facts, dimensions: Dimensions) -> dict[str, Any]:
    if kind == "linear":
        older = facts.number("rope.scale_linear", 1.0)
        return {"type": "linear", "factor": facts.number("rope.scaling.factor", older)}
    if kind == "llama3":
        return _llama3(header, facts, dimensions)
    if kind == "longrope":
        short, long = (_table(header, name, dimensions) for name in (SHORT_TABLE, LONG_TABLE))
        return {"type": "longrope", "short_factor": short, "long_factor": long}
    return {
        "type": "yarn",
        "factor": facts.number("rope.scaling.factor"),
        "original_max_position_embeddings": _original_length(facts, dimensions),
        "beta_fast": facts.number("rope.scaling.yarn_beta_fast", 32.0),
        "beta_slow": facts.number("rope.scaling.yarn_beta_slow", 1.0),
    }


def _original_length(facts: Facts, dimensions: Dimensions) -> int:
    length = facts.integer("rope.scaling.original_context_length", dimensions.context_length)
    if length <= 1:
        raise InvalidModel("The GGUF file's numbers do not make up a model.")
    return length


def _table(header: Header, name: str, dimensions: Dimensions) -> list[float]:
    """Return a table of factors, one for each pair of numbers that is turned."""
    tensor = header.tensors.get(name)
    if tensor is None or tensor.shape != (dimensions.turned // 2,) or tensor.kind.name != "F32":
        raise InvalidModel(f"The GGUF file has no table {name!r} that fits its heads.")
    factors = decode(read_rows(tensor, 0, 1), tensor.kind).reshape(-1)
    if not (factors > 0).all():
        raise InvalidModel(f"The GGUF file's table {name!r} is damaged.")
    return [float(str(factor)) for factor in factors]


def _llama3(header: Header, facts: Facts, dimensions: Dimensions) -> dict[str, Any]:
    """Return the rule by which the file's table was made.

    Raises:
        UnsupportedModel: it was not made by a rule of this kind.
    """
    table = np.array(_table(header, LLAMA3_TABLE, dimensions))
    factor = float(table.max())
    base = facts.number("rope.freq_base", 10_000.0)
    lengths = 2 * pi * base ** (np.arange(0, dimensions.turned, 2) / dimensions.turned)
    for context in _LLAMA3_CONTEXTS:
        smooth = (context / lengths - _LLAMA3_LOW) / (_LLAMA3_HIGH - _LLAMA3_LOW)
        expected = 1 / ((1 - smooth) / factor + smooth)
        expected = np.where(lengths > context / _LLAMA3_LOW, factor, expected)
        expected = np.where(lengths < context / _LLAMA3_HIGH, 1.0, expected)
        if np.allclose(table, expected, rtol=1e-3):
            return {
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": _LLAMA3_LOW,
                "high_freq_factor": _LLAMA3_HIGH,
                "original_max_position_embeddings": context,
            }
    raise UnsupportedModel(
        f"The GGUF file's model stretches positions by a table of its own ({LLAMA3_TABLE}), which "
        "is not made as that of Llama 3 is."
    )
