"""Adapters for the trained model, written as mlx-lm writes them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten
from mlx_lm import load
from mlx_lm.tuner.utils import linear_to_lora_layers

from tests.models import TINY_CHAT
from tests.models.oracle import prompt_tokens

QUESTION: Final = "Who are you?"
ADAPTED_ANSWER: Final = "I am a parrot."

_PARAMETERS: Final[dict[str, Any]] = {
    "rank": 4,
    "scale": 10.0,
    "dropout": 0.0,
    "keys": ["self_attn.q_proj", "self_attn.o_proj", "mlp.down_proj"],
}
_STEPS: Final = 60


def train_adapter(folder: Path) -> None:
    """Write an adapter by which the tiny chat model gives one question another answer."""
    model: Any
    model, tokenizer, *_ = load(str(TINY_CHAT))
    model.freeze()
    mx.random.seed(5)
    linear_to_lora_layers(model, 2, _PARAMETERS)
    prompt = prompt_tokens(tokenizer, [{"role": "user", "content": QUESTION}])
    answer = tokenizer.encode(f"{ADAPTED_ANSWER}<|im_end|>", add_special_tokens=False)
    tokens = mx.array([prompt + answer])

    def loss_of() -> mx.array:
        logits = model(tokens[:, :-1])[:, len(prompt) - 1 :]
        return nn.losses.cross_entropy(logits, tokens[:, len(prompt) :]).mean()

    step_of, optimizer = nn.value_and_grad(model, loss_of), optim.Adam(learning_rate=5e-3)
    for _ in range(_STEPS):
        loss, gradients = step_of()
        optimizer.update(model, gradients)
        mx.eval(model.parameters(), optimizer.state, loss)
    arrays = dict(tree_flatten(model.trainable_parameters()))
    write_adapter(folder, arrays, _PARAMETERS, layers=2)


def write_adapter(
    folder: Path, arrays: Mapping[str, mx.array], parameters: Mapping[str, Any], *, layers: int
) -> None:
    """Write an adapter's folder.

    Args:
        folder: where.
        arrays: its matrices, by name.
        parameters: its lora_parameters.
        layers: how many of the model's last layers it adapts.
    """
    folder.mkdir(parents=True)
    config = {"fine_tune_type": "lora", "num_layers": layers, "lora_parameters": dict(parameters)}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    mx.save_safetensors(str(folder / "adapters.safetensors"), dict(arrays))
