"""The architectures that are known: what GGUF calls their parts, and what MLX does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bodega.backends.lm.gguf.facts import Dimensions, Facts
from bodega.errors import UnsupportedModel


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor of the file goes.

    Attributes:
        parameter: what MLX calls it, within its layer.
        shape: names of its sides, as `Dimensions.length` knows them.
        turned: of query and key rows that the file keeps in an order of its own: whether the
            heads are those of queries ("query") or of keys ("key").
        offset: what is added to each number.
    """

    parameter: str
    shape: tuple[str, ...]
    turned: str | None = None
    offset: float = 0.0

    @property
    def is_matrix(self) -> bool:
        """Whether it can be quantized: the biases of experts cannot, though they are many lists."""
        return len(self.shape) > 1 and self.parameter.endswith(".weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One of them.

    Attributes:
        model_type: what config.json calls it.
        class_name: what Transformers calls its class.
        layer: where the tensors of a layer go, by the end of their names.
        biases: those of attention that a model has all or none of.
        stretches: ways to stretch positions that mlx-lm knows of it.
        config: what config.json has beside what all have.
        ties_head: whether a model's embedding may be its output too.
        partly_turned: whether a part of each head may be turned by position.
        head_is_share: whether heads are always the hidden size divided by their number.
        norm_offset: whether MLX adds 1 to the weights of norms, which the file has in them.
        wide_range: whether its activations do not fit in 16-bit numbers with a 5-bit exponent.
    """

    model_type: str
    class_name: str
    layer: Mapping[str, Place]
    biases: Mapping[str, Place] = field(default_factory=dict)
    stretches: frozenset[str] = frozenset({"linear", "yarn"})
    config: Callable[[Facts, Dimensions], dict[str, Any]] = lambda facts, dimensions: {}
    ties_head: bool = True
    partly_turned: bool = False
    head_is_share: bool = False
    norm_offset: bool = False
    wide_range: bool = False


TOP: Final[Mapping[str, Place]] = {
    "token_embd.weight": Place("model.embed_tokens.weight", ("vocabulary", "hidden")),
    "output_norm.weight": Place("model.norm.weight", ("hidden",)),
}
HEAD: Final[Mapping[str, Place]] = {
    "output.weight": Place("lm_head.weight", ("vocabulary", "hidden")),
}
"""What a model has whose embedding is not its output too."""

_NORMS: Final = {
    "attn_norm.weight": Place("input_layernorm.weight", ("hidden",)),
    "ffn_norm.weight": Place("post_attention_layernorm.weight", ("hidden",)),
}
_ATTENTION: Final = {
    "attn_q.weight": Place("self_attn.q_proj.weight", ("query", "hidden")),
    "attn_k.weight": Place("self_attn.k_proj.weight", ("key", "hidden")),
    "attn_v.weight": Place("self_attn.v_proj.weight", ("key", "hidden")),
    "attn_output.weight": Place("self_attn.o_proj.weight", ("hidden", "query")),
}
_TURNED_ATTENTION: Final = {
    **_ATTENTION,
    "attn_q.weight": Place("self_attn.q_proj.weight", ("query", "hidden"), "query"),
    "attn_k.weight": Place("self_attn.k_proj.weight", ("key", "hidden"), "key"),
}
_HEAD_NORMS: Final = {
    "attn_q_norm.weight": Place("self_attn.q_norm.weight", ("head",)),
    "attn_k_norm.weight": Place("self_attn.k_norm.weight", ("head",)),
}
_FEED_FORWARD: Final = {
    "ffn_gate.weight": Place("mlp.gate_proj.weight", ("feed_forward", "hidden")),
    "ffn_up.weight": Place("mlp.up_proj.weight", ("feed_forward", "hidden")),
    "ffn_down.weight": Place("mlp.down_proj.weight", ("hidden", "feed_forward")),
}
_EXPERT_SHAPES: Final = {
    "gate": ("experts", "expert_feed_forward", "hidden"),
    "up": ("experts", "expert_feed_forward", "hidden"),
    "down": ("experts", "hidden", "expert_feed_forward"),
}
_EXPERTS: Final = {
    "ffn_gate_inp.weight": Place("mlp.gate.weight", ("experts", "hidden")),
    **{
        f"ffn_{part}_exps.weight": Place(f"mlp.switch_mlp.{part}_proj.weight", shape)
        for part, shape in _EXPERT_SHAPES.items()
    },
}
_BIASED_EXPERTS: Final = {
    "ffn_gate_inp.weight": Place("mlp.router.weight", ("experts", "hidden")),
    "ffn_gate_inp.bias": Place("mlp.router.bias", ("experts",)),
    **{
        f"ffn_{part}_exps.weight": Place(f"mlp.experts.{part}_proj.weight", shape)
        for part, shape in _EXPERT_SHAPES.items()
    },
    **{
        f"ffn_{part}_exps.bias": Place(f"mlp.experts.{part}_proj.bias", shape[:-1])
        for part, shape in _EXPERT_SHAPES.items()
    },
}


def _gemma3_config(facts: Facts, dimensions: Dimensions) -> dict[str, Any]:
    if "final_logit_softcapping" in facts:
        raise UnsupportedModel(
            "The GGUF file's model caps its logits, which is not known of gemma3."
        )
    # The file does not tell how attention is scaled. Only the largest of the family, known by
    # its layers, does not take the size of its heads.
    largest = dimensions.layers == 62
    scalar = dimensions.hidden // dimensions.heads if largest else dimensions.head
    # A file that tells of no window is of a model whose layers all see everything.
    slides = "attention.sliding_window" in facts
    length = dimensions.context_length
    return {
        "query_pre_attn_scalar": scalar,
        "sliding_window": facts.integer("attention.sliding_window", length),
        "sliding_window_pattern": 6 if slides else 1,
        "rope_local_base_freq": facts.number("rope.freq_base_swa", 10_000.0),
        "hidden_activation": "gelu_pytorch_tanh",
    }


def _qwen3moe_config(facts: Facts, dimensions: Dimensions) -> dict[str, Any]:
    return {
        "num_experts": dimensions.experts,
        "num_experts_per_tok": dimensions.experts_used,
        "moe_intermediate_size": dimensions.expert_feed_forward,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "norm_topk_prob": True,
    }


def _gpt_oss_config(facts: Facts, dimensions: Dimensions) -> dict[str, Any]:
    kinds = ("sliding_attention", "full_attention")
    return {
        "num_local_experts": dimensions.experts,
        "num_experts_per_tok": dimensions.experts_used,
        "intermediate_size": dimensions.expert_feed_forward,
        "sliding_window": facts.integer("attention.sliding_window"),
        "layer_types": [kinds[layer % 2] for layer in range(dimensions.layers)],
    }


def _phi3_config(facts: Facts, dimensions: Dimensions) -> dict[str, Any]:
    return {"partial_rotary_factor": dimensions.turned / dimensions.head}


_ATTENTION_BIASES: Final = {
    "attn_q.bias": Place("self_attn.q_proj.bias", ("query",)),
    "attn_k.bias": Place("self_attn.k_proj.bias", ("key",)),
    "attn_v.bias": Place("self_attn.v_proj.bias", ("key",)),
}

ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    "llama": Architecture(
        model_type="llama",
        class_name="LlamaForCausalLM",
        layer={**_NORMS, **_TURNED_ATTENTION, **_FEED_FORWARD},
        biases={
            "attn_q.bias": Place("self_attn.q_proj.bias", ("query",), "query"),
            "attn_k.bias": Place("self_attn.k_proj.bias", ("key",), "key"),
            "attn_v.bias": Place("self_attn.v_proj.bias", ("key",)),
            "attn_output.bias": Place("self_attn.o_proj.bias", ("hidden",)),
        },
        stretches=frozenset({"linear", "yarn", "llama3"}),
    ),
    "qwen2": Architecture(
        model_type="qwen2",
        class_name="Qwen2ForCausalLM",
        layer={
            **_NORMS,
            **_ATTENTION,
            **_ATTENTION_BIASES,
            **_FEED_FORWARD,
        },
        head_is_share=True,
    ),
    "qwen3": Architecture(
        model_type="qwen3",
        class_name="Qwen3ForCausalLM",
        layer={**_NORMS, **_ATTENTION, **_HEAD_NORMS, **_FEED_FORWARD},
    ),
    "qwen3moe": Architecture(
        model_type="qwen3_moe",
        class_name="Qwen3MoeForCausalLM",
        layer={**_NORMS, **_ATTENTION, **_HEAD_NORMS, **_EXPERTS},
        config=_qwen3moe_config,
        stretches=frozenset(),
    ),
    "gpt-oss": Architecture(
        model_type="gpt_oss",
        class_name="GptOssForCausalLM",
        layer={
            **_ATTENTION,
            **_ATTENTION_BIASES,
            **_BIASED_EXPERTS,
            "attn_output.bias": Place("self_attn.o_proj.bias", ("hidden",)),
            "attn_sinks.weight": Place("self_attn.sinks", ("heads",)),
            "attn_norm.weight": Place("input_layernorm.weight", ("hidden",)),
            "post_attention_norm.weight": Place("post_attention_layernorm.weight", ("hidden",)),
        },
        config=_gpt_oss_config,
        ties_head=False,
        wide_range=True,
    ),
    "gemma3": Architecture(
        model_type="gemma3_text",
        class_name="Gemma3ForCausalLM",
        layer={
            **_ATTENTION,
            **_HEAD_NORMS,
            **_FEED_FORWARD,
            "attn_norm.weight": Place("input_layernorm.weight", ("hidden",)),
            "post_attention_norm.weight": Place("post_attention_layernorm.weight", ("hidden",)),
            "ffn_norm.weight": Place("pre_feedforward_layernorm.weight", ("hidden",)),
            "post_ffw_norm.weight": Place("post_feedforward_layernorm.weight", ("hidden",)),
        },
        config=_gemma3_config,
        norm_offset=True,
        wide_range=True,
    ),
    "phi3": Architecture(
        model_type="phi3",
        class_name="Phi3ForCausalLM",
        layer={
            **_NORMS,
            "attn_qkv.weight": Place("self_attn.qkv_proj.weight", ("query_key_value", "hidden")),
            "attn_output.weight": Place("self_attn.o_proj.weight", ("hidden", "query")),
            "ffn_up.weight": Place("mlp.gate_up_proj.weight", ("gate_and_up", "hidden")),
            "ffn_down.weight": Place("mlp.down_proj.weight", ("hidden", "feed_forward")),
        },
        config=_phi3_config,
        stretches=frozenset({"linear", "longrope"}),
        partly_turned=True,
        head_is_share=True,
    ),
}
"""By the name that GGUF files give them."""
