"""What becomes of a GGUF file: decided from its header, before a weight is read."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from bodega.backends.lm.gguf.architecture import ARCHITECTURES, HEAD, TOP, Architecture, Place
from bodega.backends.lm.gguf.differences import differences
from bodega.backends.lm.gguf.facts import Dimensions, Facts
from bodega.backends.lm.gguf.header import Header, Tensor
from bodega.backends.lm.gguf.positions import (
    LLAMA3_TABLE,
    LONG_TABLE,
    SHORT_TABLE,
    positions_config,
)
from bodega.backends.lm.gguf.quantization import KEPT, ROUTER, Quantization, requested
from bodega.backends.lm.gguf.weight import FLOAT_BYTES, Weight
from bodega.errors import InvalidModel, UnsupportedModel

_TABLES: Final = {LLAMA3_TABLE, LONG_TABLE, SHORT_TABLE}
_TOKEN_BYTES: Final = 256
"""More than the tokenizer's files take for each token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What becomes of a file.

    Attributes:
        config: the content of config.json, without what the tokenizer says.
        float_type: the type of all that is not quantized, and of scales. Mixed types would make
            MLX widen each step.
        warnings: what differs from the file, for people.
    """

    header: Header
    dimensions: Dimensions
    weights: tuple[Weight, ...]
    config: Mapping[str, Any]
    float_type: str
    warnings: tuple[str, ...]

    @property
    def float_bytes(self) -> int:
        """What a number takes that is not quantized."""
        return FLOAT_BYTES[self.float_type]

    @property
    def weight_bytes(self) -> int:
        """What the weights take in the result."""
        return sum(weight.size_bytes(self.float_bytes) for weight in self.weights)

    @property
    def result_bytes(self) -> int:
        """About what the result takes, rather more than less."""
        return self.weight_bytes + _TOKEN_BYTES * self.dimensions.vocabulary + 1024 * 1024


def make_plan(header: Header, quantize: str | None) -> Plan:
    """Decide what becomes of a file.

    Args:
        header: its header.
        quantize: how its weights are to be kept: "none", "4", "8" or "mxfp4"; None: as they are.

    Raises:
        InvalidModel: facts or tensors are missing, or they contradict each other.
        UnsupportedModel: it is of an architecture or variant that is not known.
        InvalidRequest: quantize is none of these.
    """
    if quantize is not None:
        requested(quantize)
    name = header.metadata.text("general.architecture")
    architecture = ARCHITECTURES.get(name)
    if architecture is None:
        raise UnsupportedModel(
            f"The GGUF file's architecture is {name!r}; known are {', '.join(ARCHITECTURES)}."
        )
    facts = Facts(header.metadata, name)
    dimensions = Dimensions.of(header, facts)
    _check_variant(dimensions, architecture, name)
    places = _places(header, dimensions, architecture)
    _check_tensors(header, places, dimensions, name)
    float_type = _float_type(header, architecture, quantize)
    weights = tuple(
        _weight(
            tensor,
            places[at],
            dimensions,
            _way(tensor, places[at], quantize),
            keeps=quantize is None,
        )
        for at, tensor in header.tensors.items()
        if at not in _TABLES
    )
    config = {
        **_config(header, facts, dimensions, architecture),
        **positions_config(header, facts, dimensions, architecture),
        **architecture.config(facts, dimensions),
        **_quantization(weights),
        "torch_dtype": float_type,
    }
    return Plan(
        header=header,
        dimensions=dimensions,
        weights=weights,
        config=config,
        float_type=float_type,
        warnings=tuple(differences(weights, float_type, quantize)),
    )


def _check_variant(dimensions: Dimensions, architecture: Architecture, name: str) -> None:
    has_experts = any("experts" in place.shape for place in architecture.layer.values())
    if (dimensions.experts > 0) != has_experts:
        raise UnsupportedModel(
            f"The GGUF file's model has {dimensions.experts} experts, which is not known of {name}."
        )
    if architecture.head_is_share and dimensions.head * dimensions.heads != dimensions.hidden:
        raise UnsupportedModel(
            f"The GGUF file's model has heads of {dimensions.head}, which is not known of {name}."
        )


def _places(header: Header, dimensions: Dimensions, architecture: Architecture) -> dict[str, Place]:
    """Return where each tensor goes that the model must have, layers spelled out."""
    layer = dict(architecture.layer)
    if any(f"blk.0.{end}" in header.tensors for end in architecture.biases):
        layer |= architecture.biases
    places = dict(TOP)
    if "output.weight" in header.tensors or not architecture.ties_head:
        places |= HEAD
    for index in range(dimensions.layers):
        for end, place in layer.items():
            parameter = f"model.layers.{index}.{place.parameter}"
            places[f"blk.{index}.{end}"] = replace(place, parameter=parameter)
    if architecture.norm_offset:
        places = {name: _without_one(place) for name, place in places.items()}
    return places


def _without_one(place: Place) -> Place:
    return replace(place, offset=-1.0) if place.parameter.endswith("norm.weight") else place


def _check_tensors(
    header: Header, places: Mapping[str, Place], dimensions: Dimensions, architecture: str
) -> None:
    if missing := sorted(places.keys() - header.tensors.keys()):
        raise InvalidModel(f"The GGUF file has no tensor {missing[0]!r} ({len(missing)} missing).")
    if unknown := sorted(header.tensors.keys() - places.keys() - _TABLES):
        raise UnsupportedModel(
            f"The GGUF file has a tensor {unknown[0]!r}, which is not known of {architecture}."
        )
    for name, place in places.items():
        shape = tuple(dimensions.length(side) for side in place.shape)
        if header.tensors[name].shape != shape:
            raise InvalidModel(
                f"The GGUF file's tensor {name!r} has shape {header.tensors[name].shape}, not "
                f"{shape}."
            )


def _float_type(header: Header, architecture: Architecture, quantize: str | None) -> str:
    kinds = {tensor.kind.name for tensor in header.tensors.values() if len(tensor.shape) > 1}
    if kinds == {"F32"} and quantize is None:
        return "float32"
    return "bfloat16" if architecture.wide_range or "BF16" in kinds else "float16"


def _weight(
    tensor: Tensor, place: Place, dimensions: Dimensions, way: Quantization | None, *, keeps: bool
) -> Weight:
    heads = {"query": dimensions.heads, "key": dimensions.kv_heads, None: None}
    return Weight(
        tensor=tensor,
        parameter=place.parameter,
        quantization=way,
        keeps_codes=keeps and way is not None,
        turned_heads=heads[place.turned],
        offset=place.offset,
    )


def _way(tensor: Tensor, place: Place, quantize: str | None) -> Quantization | None:
    """Return how a tensor is quantized, if it is."""
    way = KEPT.get(tensor.kind.name) if quantize is None else requested(quantize)
    if way is None or not place.is_matrix:
        return None
    if quantize is not None and place.shape == ("experts", "hidden") and way.bits < ROUTER.bits:
        way = ROUTER
    return None if tensor.shape[-1] % way.group else way


def _config(
    header: Header, facts: Facts, dimensions: Dimensions, architecture: Architecture
) -> dict[str, Any]:
    """Return what config.json has of all architectures."""
    has_biases = any(f"blk.0.{end}" in header.tensors for end in architecture.biases)
    return {
        "architectures": [architecture.class_name],
        "model_type": architecture.model_type,
        "hidden_size": dimensions.hidden,
        "intermediate_size": dimensions.feed_forward,
        "num_hidden_layers": dimensions.layers,
        "num_attention_heads": dimensions.heads,
        "num_key_value_heads": dimensions.kv_heads,
        "head_dim": dimensions.head,
        "vocab_size": dimensions.vocabulary,
        "max_position_embeddings": dimensions.context_length,
        "rms_norm_eps": facts.number("attention.layer_norm_rms_epsilon"),
        "tie_word_embeddings": "output.weight" not in header.tensors,
        "hidden_act": "silu",
        "attention_bias": has_biases,
    }


def _quantization(weights: tuple[Weight, ...]) -> dict[str, Any]:
    """Return how the model is quantized: the commonest way, and the modules that differ."""
    ways = {weight.module: way for weight in weights if (way := weight.quantization) is not None}
    if not ways:
        return {}
    commonest = Counter(ways.values()).most_common(1)[0][0]
    others = {module: way.config() for module, way in ways.items() if way != commonest}
    config = {**commonest.config(), **others}
    return {"quantization": config, "quantization_config": config}
