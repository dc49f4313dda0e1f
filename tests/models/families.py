"""Random tiny models of the architectures that a Qwen3-only test hides, made on demand.

They share the tokenizer of the trained model. Their greedy answers are readable nonsense that
never ends early: the output rows of end and special tokens are zero, and so are their logits.
"""

import fcntl
import json
import shutil
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map
from tokenizers import Tokenizer

TINY_CHAT: Final = Path(__file__).parent / "data" / "tiny-chat"
CACHE: Final = Path(__file__).parents[2] / ".cache" / "families"
RECIPE: Final = 1
"""Raise it when what is made changes, so that kept folders are made anew."""

_BASE: Final[dict[str, Any]] = {
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
}
_EXPERTS: Final[dict[str, Any]] = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "moe_intermediate_size": 64,
    "norm_topk_prob": True,
}
_CONFIGS: Final[dict[str, dict[str, Any]]] = {
    "qwen3_moe": {**_BASE, **_EXPERTS},
    "qwen3_next": {
        **_BASE,
        **_EXPERTS,
        "linear_num_value_heads": 4,
        "linear_num_key_heads": 2,
        "linear_key_head_dim": 16,
        "linear_value_head_dim": 16,
        "linear_conv_kernel_dim": 4,
        "shared_expert_intermediate_size": 64,
        "partial_rotary_factor": 0.5,
        "full_attention_interval": 2,
    },
    "gpt_oss": {
        **_BASE,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": 16,
        "rope_scaling": {
            "rope_type": "yarn",
            "factor": 2.0,
            "original_max_position_embeddings": 2048,
            "beta_fast": 32.0,
            "beta_slow": 1.0,
        },
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    },
    "glm4_moe": {
        **_BASE,
        "moe_intermediate_size": 64,
        "norm_topk_prob": True,
        "n_group": 1,
        "topk_group": 1,
        "n_shared_experts": 1,
        "n_routed_experts": 4,
        "routed_scaling_factor": 1.0,
        "num_experts_per_tok": 2,
        "first_k_dense_replace": 1,
        "rope_scaling": None,
        "use_qk_norm": True,
        "attention_bias": True,
        "partial_rotary_factor": 0.5,
    },
    "minimax": {
        **_BASE,
        "num_experts_per_tok": 2,
        "num_local_experts": 4,
        "shared_intermediate_size": 64,
        "rotary_dim": 8,
    },
    "qwen3_mxfp4": {**_BASE, "model_type": "qwen3"},
}
FAMILIES: Final = tuple(_CONFIGS)
"""The names that family_model knows; qwen3_mxfp4 is a quantized one."""


def family_model(name: str) -> Path:
    """Return the folder of the model of one family, made at the first call.

    Processes that want the same model at the same time make it once.

    Raises:
        KeyError: no family has that name.
    """
    config = {"model_type": name, **_CONFIGS[name]}
    folder = CACHE / f"{name}-{RECIPE}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as draft:
                _write(Path(draft) / name, config, quantized=name.endswith("mxfp4"))
                (Path(draft) / name).rename(folder)
    return folder


def _write(folder: Path, config: dict[str, Any], *, quantized: bool) -> None:
    shared = json.loads((TINY_CHAT / "config.json").read_text())
    config |= {key: shared[key] for key in ("vocab_size", "bos_token_id", "eos_token_id")}
    architecture = import_module(f"mlx_lm.models.{config['model_type']}")
    model = architecture.Model(architecture.ModelArgs.from_dict(config))
    model.update(_random_weights(model, config["vocab_size"]))
    if quantized:
        config["quantization"] = {"group_size": 32, "bits": 4, "mode": "mxfp4"}
        nn.quantize(model, **config["quantization"])
    folder.mkdir()
    for file in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copyfile(TINY_CHAT / file, folder / file)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    mx.save_safetensors(
        str(folder / "model.safetensors"),
        dict(tree_flatten(model.parameters())),
        metadata={"format": "mlx"},
    )


def _random_weights(model: nn.Module, vocabulary: int) -> dict[str, Any]:
    """Return weights large enough for every layer to matter; norms keep their ones."""
    mx.random.seed(RECIPE)

    def drawn(weight: mx.array) -> mx.array:
        if weight.ndim >= 2:
            return mx.random.normal(weight.shape, scale=1.5 / float(weight.shape[-1]) ** 0.5)
        is_zero = mx.all(weight == 0).item()
        return mx.random.normal(weight.shape, scale=0.1) if is_zero else weight

    weights: dict[str, Any] = tree_map(drawn, model.parameters())
    head = weights["lm_head"]
    head["weight"] = mx.where(_plain_tokens(vocabulary)[:, None], 4.0 * head["weight"], 0.0)
    return weights


def _plain_tokens(vocabulary: int) -> mx.array:
    """Return for each id whether it stands for printable text and for nothing else."""
    tokenizer = Tokenizer.from_file(str(TINY_CHAT / "tokenizer.json"))
    added = tokenizer.get_added_tokens_decoder()

    def is_plain(token: int) -> bool:
        text = tokenizer.decode([token], skip_special_tokens=False)
        return token not in added and text.isprintable() and text not in ("", "\ufffd")

    return mx.array([is_plain(token) for token in range(vocabulary)])
