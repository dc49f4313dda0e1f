"""Folders that are almost the tiny chat model: copies of it with one file that is wrong."""

import json
import shutil
import struct
from pathlib import Path
from typing import Any

from tests.end_to_end.server import Json
from tests.models import TINY_CHAT

CONFIG = json.loads((TINY_CHAT / "config.json").read_text())
TOKENIZER = json.loads((TINY_CHAT / "tokenizer.json").read_text())
TOKENIZER_CONFIG = json.loads((TINY_CHAT / "tokenizer_config.json").read_text())
WEIGHTS = (TINY_CHAT / "model.safetensors").read_bytes()
INDEX = "model.safetensors.index.json"


def changed(folder: Path, name: str, content: Any) -> Path:
    """Return a copy of the tiny model with another file of this name: bytes, JSON, or None."""
    copy = folder / "model"
    shutil.copytree(TINY_CHAT, copy)
    if content is None:
        (copy / name).unlink()
    else:
        is_bytes = isinstance(content, bytes)
        (copy / name).write_bytes(content if is_bytes else json.dumps(content).encode())
    return copy


def tensors(header: Json, data_bytes: int) -> bytes:
    """Return a safetensors file with this header and so many bytes of data."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(data_bytes)


def tensor(begin: int, end: int) -> Json:
    return {"dtype": "F32", "shape": [2], "data_offsets": [begin, end]}


DAMAGED: dict[str, tuple[str, Any, str]] = {
    "no configuration": ("config.json", None, "config.json"),
    "a configuration cut short": ("config.json", b'{"model_type"', "config.json"),
    "a configuration of 100,000 brackets": ("config.json", b"[" * 100_000, "config.json"),
    "a configuration that is a list": ("config.json", [], "config.json"),
    "a configuration that is no text": ("config.json", b"\xff\xfe", "config.json"),
    "a configuration without a type": ("config.json", {}, "model_type"),
    "no weights": ("model.safetensors", None, "safetensors"),
    "empty weights": ("model.safetensors", b"", "model.safetensors"),
    "weights cut short": ("model.safetensors", WEIGHTS[:-100], "model.safetensors"),
    "weights that are none": ("model.safetensors", b"\xff" * 1000, "model.safetensors"),
    "a header of 2^63 bytes": (
        "model.safetensors",
        struct.pack("<Q", 2**63) + b"{}",
        "model.safetensors",
    ),
    "weights that overlap": (
        "model.safetensors",
        tensors({"a": tensor(0, 8), "b": tensor(4, 12)}, 12),
        "model.safetensors",
    ),
    "weights beyond the file": (
        "model.safetensors",
        tensors({"a": tensor(0, 800)}, 8),
        "model.safetensors",
    ),
    "a shard that is not there": (INDEX, {"weight_map": {"a": "model-2.safetensors"}}, "model-2"),
    "a shard elsewhere": (INDEX, {"weight_map": {"a": "../x.safetensors"}}, "incomplete"),
    "an index cut short": (INDEX, b"{", INDEX),
    "an index of a list": (INDEX, {"weight_map": ["x"]}, INDEX),
    "an index of numbers": (INDEX, {"weight_map": {"a": 5}}, INDEX),
    "a tokenizer cut short": ("tokenizer.json", b"{", "tokenizer.json"),
    "an empty tokenizer": ("tokenizer.json", {}, "tokenizer.json"),
    "a tokenizer without a model": (
        "tokenizer.json",
        {**TOKENIZER, "model": {}},
        "tokenizer.json",
    ),
    "tokens without a text": (
        "tokenizer.json",
        {**TOKENIZER, "added_tokens": [{"id": 1}]},
        "tokenizer.json",
    ),
    "a tokenizer's settings cut short": (
        "tokenizer_config.json",
        b"{",
        "tokenizer_config.json",
    ),
    "end tokens cut short": ("generation_config.json", b"{", "generation_config.json"),
    "a template that is not Jinja": (
        "tokenizer_config.json",
        {**TOKENIZER_CONFIG, "chat_template": "{% if %}"},
        "Jinja",
    ),
    "a template nested too deep": (
        "chat_template.jinja",
        b"{% for x in y %}" * 60 + b"{% endfor %}" * 60,
        "Jinja",
    ),
    "a template that refuses every conversation": (
        "chat_template.jinja",
        b"{{ raise_exception('Never.') }}",
        "Never.",
    ),
    "a template that is no text": ("chat_template.jinja", b"\xff\xfe", "chat_template.jinja"),
}

UNSUPPORTED: dict[str, tuple[str, Any, str]] = {
    "an unknown architecture": ("config.json", {**CONFIG, "model_type": "nothing"}, "'nothing'"),
    "an architecture that is a path": ("config.json", {**CONFIG, "model_type": "../x"}, "'../x'"),
    "an architecture that is a module": ("config.json", {**CONFIG, "model_type": "os.path"}, "os."),
    "a tokenizer that decodes otherwise": (
        "tokenizer.json",
        {**TOKENIZER, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True}},
        "WordPiece",
    ),
    "no tokenizer": ("tokenizer.json", None, "tokenizer.json"),
}
