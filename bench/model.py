"""The small model that everything is measured with, made once: `python -m bench.model`.

A decode step of it takes 1 to 2 ms on a CPU, so that what a server adds shows. The weights are
random; output rows of tokens that are special, or are not readable text by themselves, are zero,
and so are their logits: a greedy answer never ends early, and every token of it is text.
"""

import fcntl
import json
import tempfile
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any, Final

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

CACHE: Final = Path(__file__).parents[1] / ".cache" / "bench"
RECIPE: Final = 1
"""Raise it when what is made changes, so that a kept folder is made anew."""

_SPECIAL_TOKENS: Final = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_VOCABULARY: Final = 2048
_HEAD_SCALE: Final = 4.0
"""Spreads the logits, so that the best token does not depend on rounding."""

_CHAT_TEMPLATE: Final = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
_CONFIG: Final[dict[str, Any]] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "intermediate_size": 512,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
    "max_position_embeddings": 4096,
    "vocab_size": _VOCABULARY,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "hidden_act": "silu",
    "torch_dtype": "float32",
}


def small_model() -> Path:
    """Return the model's folder, in Hugging Face's form; the first call makes it.

    Processes that want it at the same time make it once.
    """
    folder = CACHE / f"qwen3-small-{RECIPE}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "model.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as draft:
                _write(Path(draft) / folder.name)
                (Path(draft) / folder.name).rename(folder)
    return folder


def write_tokenizer(folder: Path) -> Tokenizer:
    """Write a byte-level BPE tokenizer, trained on Python's own help texts, with ChatML."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY - len(_SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(topics.values(), trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in _SPECIAL_TOKENS])
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": _CONFIG["max_position_embeddings"],
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "clean_up_tokenization_spaces": False,
            "chat_template": _CHAT_TEMPLATE,
        },
    )
    return tokenizer


def _write(folder: Path) -> None:
    folder.mkdir()
    tokenizer = write_tokenizer(folder)
    end_tokens = [tokenizer.token_to_id(token) for token in ("<|im_end|>", "<|endoftext|>")]
    config = {**_CONFIG, "bos_token_id": end_tokens[1], "eos_token_id": end_tokens[0]}
    _write_json(folder / "config.json", config)
    _write_json(
        folder / "generation_config.json",
        {"bos_token_id": end_tokens[1], "eos_token_id": end_tokens},
    )
    _write_weights(folder, config, readable_tokens(tokenizer))


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _write_weights(folder: Path, config: dict[str, Any], readable: list[bool]) -> None:
    # MLX is loaded only where the model is made: the other uses of this module do without.
    import mlx.core as mx
    from mlx.utils import tree_flatten, tree_map
    from mlx_lm.models import qwen3

    mx.random.seed(RECIPE)

    def drawn(weight: mx.array) -> mx.array:
        if weight.ndim < 2:
            return weight
        return mx.random.normal(weight.shape, scale=float(weight.shape[-1]) ** -0.5)

    model = qwen3.Model(qwen3.ModelArgs.from_dict(config))
    weights = tree_map(drawn, model.parameters())
    head = _HEAD_SCALE * weights["lm_head"]["weight"]
    weights["lm_head"]["weight"] = mx.where(mx.array(readable)[:, None], head, 0.0)
    mx.save_safetensors(
        str(folder / "model.safetensors"), dict(tree_flatten(weights)), metadata={"format": "mlx"}
    )


def readable_tokens(tokenizer: Tokenizer) -> list[bool]:
    """Return for each token id whether it is printable text by itself, and not special."""

    def is_readable(token: int) -> bool:
        text = tokenizer.decode([token])
        return text != "" and "\ufffd" not in text and text.isprintable()

    return [is_readable(token) for token in range(tokenizer.get_vocab_size())]


if __name__ == "__main__":
    print(small_model())
