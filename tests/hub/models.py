"""Small models as repositories have them."""

import json
import random
import struct
from collections.abc import Mapping, Sequence

CONFIG = json.dumps(
    {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": 9}
).encode()

WEIGHTS = random.Random(1).randbytes(1_000_000)  # not like any other bytes

SMALL = {"config.json": CONFIG, "tokenizer.json": b"{}", "tokenizer_config.json": b'{"a": 1}'}

MODEL = {**SMALL, "model.safetensors": WEIGHTS}


def safetensors(tensors: Mapping[str, tuple[str, Sequence[int]]]) -> bytes:
    """Return a file's header; there are no weights behind it."""
    told = {
        name: {"dtype": kind, "shape": list(shape), "data_offsets": [0, 0]}
        for name, (kind, shape) in tensors.items()
    }
    header = json.dumps({"__metadata__": {"format": "mlx"}, **told}).encode()
    return struct.pack("<Q", len(header)) + header
