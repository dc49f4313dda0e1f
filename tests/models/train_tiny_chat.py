"""Makes the tiny chat model: `python -m tests.models.train_tiny_chat FOLDER`.

It trains until every transcript is known by a wide margin, some minutes on two cores. The result
is committed, since rounding, and with it the weights, differ from machine to machine.
"""

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.models import qwen3
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

from tests.models.transcripts import CHOICES, ENDLESS, ENDLESS_UNIT, TRANSCRIPTS

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
ADDED_TOKENS = ("<think>", "</think>", "<tool_call>", "</tool_call>")
VOCABULARY = 640
EPOCHS = 150
CHECK_EVERY = 10
WANTED_MARGIN = 4.0
BATCH_TOKENS = 1200
ENDLESS_REPEATS = (20, 300)
WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

CONFIG: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 160,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
    "attention_bias": False,
    "hidden_act": "silu",
    "torch_dtype": "float32",
}


Batch = tuple[mx.array, mx.array, mx.array]
"""Inputs, targets, and weights: 1 for a token to learn, 2 for one that must also be the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Token ids of a conversation, and how many of the first ones are not learned.

    `greedy` says that the answer is to be the best one at every token.
    """

    tokens: list[int]
    prompt_tokens: int
    greedy: bool


def main(folder: Path) -> None:
    """Make the tokenizer, train the model and write both."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    vocabulary = math.ceil(len(tokenizer) / 32) * 32
    config = {
        **CONFIG,
        "vocab_size": vocabulary,
        "bos_token_id": tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        "eos_token_id": tokenizer.convert_tokens_to_ids("<|im_end|>"),
    }
    mx.random.seed(7)
    model = qwen3.Model(qwen3.ModelArgs.from_dict(config))
    train(model, list(_examples(tokenizer)))
    mx.save_safetensors(
        str(folder / "model.safetensors"),
        dict(tree_flatten(model.parameters())),
        metadata={"format": "mlx"},
    )
    _write_json(folder / "config.json", config)
    _write_json(
        folder / "generation_config.json",
        {"bos_token_id": config["bos_token_id"], "eos_token_id": _end_tokens(tokenizer)},
    )


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _end_tokens(tokenizer: Any) -> list[int]:
    return [tokenizer.convert_tokens_to_ids(token) for token in ("<|im_end|>", "<|endoftext|>")]


def _write_tokenizer(folder: Path) -> None:
    """Train byte-level BPE on the English answers: other scripts stay bytes, split over tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [transcript.answer for transcript in TRANSCRIPTS if transcript.answer.isascii()]
    texts.append(ENDLESS_UNIT * 20)
    texts += [message["content"] for item in TRANSCRIPTS for message in item.messages]
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in SPECIAL_TOKENS])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in ADDED_TOKENS])
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": CONFIG["max_position_embeddings"],
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "clean_up_tokenization_spaces": False,
            "chat_template": Path(__file__).with_name("chat_template.jinja").read_text("utf-8"),
        },
    )


def _examples(tokenizer: Any) -> Iterator[Example]:
    def example(messages: Any, answer: str, *, greedy: bool = True, **kwargs: Any) -> Example:
        prompt = tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, tokenize=False, **kwargs
        )
        tokens = tokenizer.encode(prompt, add_special_tokens=False)
        return Example(
            tokens=tokens + tokenizer.encode(answer, add_special_tokens=False),
            prompt_tokens=len(tokens),
            greedy=greedy,
        )

    for transcript in TRANSCRIPTS:
        messages, kwargs = transcript.template_messages, transcript.template_kwargs
        answer = transcript.answer + "<|im_end|>"
        yield example(messages, answer, **kwargs)
        if "<think>" not in answer and transcript.enable_thinking is None:
            yield example(messages, answer, **kwargs, enable_thinking=False)
    for choice in CHOICES:
        for answer in choice.answers:
            yield example(choice.messages, answer + "<|im_end|>", greedy=False)
    for repeats in ENDLESS_REPEATS:
        yield example(ENDLESS, ENDLESS_UNIT * repeats)


def _batches(examples: list[Example]) -> list[Batch]:
    """Return batches of examples of like length."""
    groups: list[list[Example]] = []
    for example in sorted(examples, key=lambda example: len(example.tokens)):
        length = len(example.tokens)
        if groups and length * (len(groups[-1]) + 1) <= BATCH_TOKENS:
            groups[-1].append(example)
        else:
            groups.append([example])
    return [_batch(group) for group in groups]


def _batch(examples: list[Example]) -> Batch:
    tokens = np.zeros((len(examples), len(examples[-1].tokens)), dtype=np.int32)
    weights = np.zeros((len(examples), tokens.shape[1] - 1), dtype=np.int32)
    for row, example in enumerate(examples):
        tokens[row, : len(example.tokens)] = example.tokens
        learned = slice(example.prompt_tokens - 1, len(example.tokens) - 1)
        weights[row, learned] = 2 if example.greedy else 1
    return mx.array(tokens[:, :-1]), mx.array(tokens[:, 1:]), mx.array(weights)


def train(model: nn.Module, examples: list[Example], *, epochs: int = EPOCHS) -> None:
    batches = _batches(examples)
    updates = epochs * len(batches)
    rate = optim.join_schedules(
        [optim.linear_schedule(0.0, 4e-3, 50), optim.cosine_decay(4e-3, updates - 50, 1e-5)], [50]
    )
    optimizer = optim.Adam(learning_rate=rate, betas=[0.9, 0.98])

    def loss_of(inputs: mx.array, targets: mx.array, weights: mx.array) -> mx.array:
        losses = nn.losses.cross_entropy(model(inputs), targets)
        loss: mx.array = (losses * (weights > 0)).sum() / (weights > 0).sum()
        return loss

    step_of = nn.value_and_grad(model, loss_of)
    order = np.random.default_rng(7)
    for epoch in range(1, epochs + 1):
        losses = []
        for index in order.permutation(len(batches)):
            loss, grads = step_of(*batches[index])
            grads, _ = optim.clip_grad_norm(grads, 1.0)
            optimizer.update(model, grads)
            mx.eval(model.state, optimizer.state, loss)
            losses.append(loss.item())
        if epoch % CHECK_EVERY == 0:
            margin = min(_margin(model, batch) for batch in batches)
            print(f"{epoch}: loss {np.mean(losses):.5f}, least margin {margin:.2f}", flush=True)
    if margin < WANTED_MARGIN:
        raise SystemExit("The margin was not reached.")


def _margin(model: nn.Module, batch: Batch) -> float:
    """Return by how much, at worst, a token to learn beats all others."""
    inputs, targets, weights = batch
    logits = model(inputs)
    wanted = mx.take_along_axis(logits, targets[..., None], axis=-1)
    others = mx.where(mx.arange(logits.shape[-1]) == targets[..., None], -mx.inf, logits).max(
        axis=-1, keepdims=True
    )
    margins = mx.where(weights[..., None] == 2, wanted - others, mx.inf)
    return float(np.array(margins).min())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
