"""Tiny random models of each architecture, in mlx-lm's form and as GGUF files.

The names of a file's tensors are those of the gguf package, not those of the importer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import mlx.core as mx
import numpy as np
from gguf.constants import MODEL_ARCH, MODEL_ARCH_NAMES
from gguf.tensor_mapping import get_tensor_name_map
from mlx.utils import tree_flatten, tree_unflatten

from tests.gguf.tiny_tokenizers import byte_level_metadata
from tests.gguf.writer import Stored, random_stored, stored, write_gguf

HIDDEN, FEED_FORWARD, LAYERS, HEADS, KV_HEADS, HEAD, CONTEXT = 64, 96, 2, 4, 2, 16, 512
TOKENS: Final = [5, 300, 17, 42, 199, 260, 3, 3, 88, 120, 7]

_CONFIG: Final[dict[str, Any]] = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "intermediate_size": FEED_FORWARD,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "head_dim": HEAD,
    "rms_norm_eps": 1e-5,
    "rope_theta": 50_000.0,
    "max_position_embeddings": CONTEXT,
    "tie_word_embeddings": True,
}
_SIZES: Final = {
    "hidden": ("hidden_size", "embedding_length"),
    "feed_forward": ("intermediate_size", "feed_forward_length"),
    "head": ("head_dim", "attention.key_length", "attention.value_length"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One architecture: its name in GGUF files, in mlx-lm, and what either says beside the rest.

    Attributes:
        config: of mlx-lm.
        metadata: of the file, by keys without the architecture's name.
    """

    gguf: MODEL_ARCH
    module: str
    config: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


CASES: Final[Mapping[str, Case]] = {
    "llama": Case(gguf=MODEL_ARCH.LLAMA, module="llama"),
    "llama-biased": Case(
        gguf=MODEL_ARCH.LLAMA,
        module="llama",
        config={"attention_bias": True, "tie_word_embeddings": False},
    ),
    "qwen2": Case(gguf=MODEL_ARCH.QWEN2, module="qwen2"),
    "qwen3": Case(
        gguf=MODEL_ARCH.QWEN3,
        module="qwen3",
        config={"head_dim": 32, "tie_word_embeddings": False},
        metadata={"attention.key_length": 32, "attention.value_length": 32},
    ),
    "qwen3moe": Case(
        gguf=MODEL_ARCH.QWEN3MOE,
        module="qwen3_moe",
        config={
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
            "norm_topk_prob": True,
        },
        metadata={
            "expert_count": 4,
            "expert_used_count": 2,
            "expert_feed_forward_length": 32,
        },
    ),
    "gpt-oss": Case(
        gguf=MODEL_ARCH.GPT_OSS,
        module="gpt_oss",
        config={
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "intermediate_size": 32,
            "sliding_window": 4,
            "layer_types": ["sliding_attention", "full_attention"],
            "tie_word_embeddings": False,
            "rope_scaling": {
                "type": "yarn",
                "factor": 32.0,
                "original_max_position_embeddings": 64,
                "beta_fast": 32.0,
                "beta_slow": 1.0,
            },
        },
        metadata={
            "expert_count": 4,
            "expert_used_count": 2,
            "expert_feed_forward_length": 32,
            "attention.sliding_window": 4,
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": 32.0,
            "rope.scaling.original_context_length": 64,
        },
    ),
    "gemma3": Case(
        gguf=MODEL_ARCH.GEMMA3,
        module="gemma3_text",
        config={
            "num_hidden_layers": 7,
            "sliding_window": 4,
            "query_pre_attn_scalar": HEAD,
            "rope_scaling": {"type": "linear", "factor": 8.0},
        },
        metadata={
            "block_count": 7,
            "attention.sliding_window": 4,
            "rope.scaling.type": "linear",
            "rope.scaling.factor": 8.0,
        },
    ),
    "phi3": Case(
        gguf=MODEL_ARCH.PHI3,
        module="phi3",
        config={"partial_rotary_factor": 0.75, "tie_word_embeddings": False},
        metadata={"rope.dimension_count": 12},
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyModel:
    """A model: its tensors by the file's names, and how mlx-lm builds it.

    Attributes:
        names: mlx-lm's name of each tensor.
    """

    case: Case
    config: Mapping[str, Any]
    metadata: Mapping[str, Any]
    tensors: Mapping[str, Stored]
    names: Mapping[str, str]
    extra: Mapping[str, Stored] = field(default_factory=dict)

    def changed(self, **metadata: Any) -> "TinyModel":
        """Return it with other metadata; `__` stands for a dot, and None takes the key away."""
        changes = {key.replace("__", "."): value for key, value in metadata.items()}
        values = {**self.metadata, **changes}
        return replace(self, metadata={k: v for k, v in values.items() if v is not None})

    def with_extra(self, tensors: Mapping[str, Stored]) -> "TinyModel":
        """Return it with tensors in its file that are no parameters of the model."""
        return replace(self, extra=tensors)

    def write(self, path: Path) -> Path:
        """Write the GGUF file."""
        path.parent.mkdir(exist_ok=True)
        write_gguf(path, self.metadata, {**self.tensors, **self.extra})
        return path

    def parameters(self) -> dict[str, np.ndarray]:
        """Return what the file holds, by mlx-lm's names and in its order."""
        return {
            name: self._as_mlx(name, self.tensors[at].values()) for at, name in self.names.items()
        }

    def logits(self, tokens: list[int] = TOKENS, *, dtype: str = "float32") -> np.ndarray:
        """Return what the model says, by mlx-lm from what the file holds.

        Args:
            tokens: what it reads.
            dtype: a type that the weights are rounded to before.
        """
        model = _build(self.case, self.config)
        rounded = [
            (name, mx.array(values).astype(getattr(mx, dtype)).astype(mx.float32))
            for name, values in self.parameters().items()
        ]
        model.update(tree_unflatten(rounded))
        return np.array(model(mx.array([tokens])))

    def _as_mlx(self, name: str, values: np.ndarray) -> np.ndarray:
        if self.case.module == "gemma3_text" and name.endswith("norm.weight"):
            return values - np.float32(1)
        if self.case.module == "llama" and ("q_proj" in name or "k_proj" in name):
            # Neighbours of the file are row i of a head's first half and row i of its second.
            heads = HEADS if "q_proj" in name else KV_HEADS
            pairs = values.reshape(heads, -1, 2, *values.shape[1:])
            return np.concatenate([pairs[:, :, 0], pairs[:, :, 1]], axis=1).reshape(values.shape)
        return values


def tiny_model(
    name: str,
    *,
    kinds: Mapping[str, str] | None = None,
    sizes: Mapping[str, int] | None = None,
    tokenizer: Mapping[str, Any] | None = None,
    **config: Any,
) -> TinyModel:
    """Make a model; the same one each time.

    Args:
        name: one of CASES.
        kinds: how each matrix is stored, by a part of its name in the file; F32 if none matches.
        sizes: other sizes than usual: "hidden", "feed_forward" and "head".
        tokenizer: another one than usual, as the file's metadata has it.
        config: what else mlx-lm is told.
    """
    case = CASES[name]
    metadata = {**_metadata(case), **(tokenizer or byte_level_metadata())}
    other = {}
    for size, value in (sizes or {}).items():
        in_config, *in_file = _SIZES[size]
        other[in_config] = value
        metadata |= {f"{MODEL_ARCH_NAMES[case.gguf]}.{key}": value for key in in_file}
    whole = {
        **_CONFIG,
        **case.config,
        "vocab_size": len(metadata["tokenizer.ggml.tokens"]),
        **other,
        **config,
    }
    rng = np.random.default_rng(11)
    names = _names(case, whole)
    tensors = {at: _drawn(at, shape, kinds or {}, rng) for at, (_, shape) in names.items()}
    return TinyModel(
        case=case,
        config=whole,
        metadata=metadata,
        tensors=tensors,
        names={at: name for at, (name, _) in names.items()},
    )


def _build(case: Case, config: Mapping[str, Any]) -> Any:
    module = import_module(f"mlx_lm.models.{case.module}")
    model = module.Model(module.ModelArgs.from_dict({"model_type": case.module, **config}))
    # Ties the embedding where the model's arguments do not.
    if case.module == "gemma3_text" and config["tie_word_embeddings"]:
        model.sanitize({})
    return model


def _names(case: Case, config: Mapping[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    mapping = get_tensor_name_map(case.gguf, config["num_hidden_layers"])
    names = {}
    for name, array in tree_flatten(_build(case, config).parameters()):
        known = mapping.get_name(name.replace("switch_mlp", "experts"), (".weight", ".bias"))
        assert known is not None, name
        known += ".weight" if known.endswith("sinks") else ""
        names[known] = (name, tuple(array.shape))
    return names


def _drawn(
    name: str, shape: tuple[int, ...], kinds: Mapping[str, str], rng: np.random.Generator
) -> Stored:
    if len(shape) == 1 or name.endswith(".bias"):
        # Norms and biases that 16 bits hold exactly, as the file of a real model does.
        values = (0.1 * rng.standard_normal(shape)).astype(np.float16).astype(np.float32)
        one = 1.0 if name.endswith("norm.weight") else 0.0
        return stored("F32", np.round(values * 64) / 64 + one)
    kind = next((kind for part, kind in kinds.items() if part in name), "F32")
    if "gate_inp" in name:
        # 32 bits in every real file, of numbers that came from 16.
        return stored("F32", random_stored("F16", shape, rng).values())
    return random_stored(kind, shape, rng)


def _metadata(case: Case) -> dict[str, Any]:
    name = MODEL_ARCH_NAMES[case.gguf]
    values = {
        "block_count": LAYERS,
        "context_length": CONTEXT,
        "embedding_length": HIDDEN,
        "feed_forward_length": FEED_FORWARD,
        "attention.head_count": HEADS,
        "attention.head_count_kv": KV_HEADS,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "attention.key_length": HEAD,
        "attention.value_length": HEAD,
        "rope.freq_base": 50_000.0,
        **case.metadata,
    }
    return {
        "general.architecture": name,
        "general.name": f"Tiny {name}",
        **{f"{name}.{key}": value for key, value in values.items()},
    }
