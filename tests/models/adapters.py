"""Adapters for the trained model, written as mlx-lm writes them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx


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
