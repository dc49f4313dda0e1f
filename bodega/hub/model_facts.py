"""What kind of model a folder holds, read from its own files. Guesses, and none is an error."""

import functools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bodega.hub.parameter_count import count_parameters
from bodega.hub.snapshot import INDEX, read_shards

_MAX_CONFIG_BYTES: Final = 4 * 1024 * 1024
_MAX_CONTEXT_TOKENS: Final = 2**31 - 1
_CONTEXT: Final = ("max_position_embeddings", "max_seq_len", "n_positions", "seq_length")

_SENSES: Final = ("vision_config", "audio_config", "vision_tower", "mm_vision_tower")
_PICTURES: Final = frozenset({"transformer", "unet"})
_EMBEDDERS: Final = frozenset(
    {
        "albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "mpnet",
        "modernbert", "nomic_bert", "roberta", "xlm-roberta",
    }
)  # fmt: skip
_EMBEDDING_FILES: Final = frozenset({"modules.json", "config_sentence_transformers.json"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a model's files tell of it; None where they do not.

    Attributes:
        type: lm, multimodal, embeddings, whisper or image-generation.
        quantization: for example "4-bit" or "mxfp4".
        parameters: how many weights it has, quantized ones counted singly.
        context_length: most tokens that it was made for.
    """

    type: str | None = None
    quantization: str | None = None
    parameters: int | None = None
    context_length: int | None = None


def read_facts(folder: Path) -> ModelFacts:
    """Return what the files of a folder tell. Remembers it until they change."""
    names, signature = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                names.append(entry.name)
                if entry.name == "config.json" or entry.name.endswith((".safetensors", INDEX)):
                    status = entry.stat()
                    signature.append((entry.name, status.st_mtime_ns, status.st_size))
    except OSError:
        return ModelFacts()
    return _read(folder, tuple(sorted(names)), tuple(sorted(signature)))


def is_whisper(config: Mapping[str, Any]) -> bool:
    """Whether a config is one of Whisper, in Transformers' form or in that of MLX."""
    return config.get("model_type") == "whisper" or "n_mels" in config


@functools.lru_cache(maxsize=1024)
def _read(
    folder: Path, names: tuple[str, ...], signature: tuple[tuple[str, int, int], ...]
) -> ModelFacts:
    config = _config(folder)
    weights = [name for name, _, _ in signature if name.endswith(".safetensors")]
    shards = read_shards(folder) if INDEX in names else None
    parameters = shards.parameters if shards is not None else None
    if parameters is None and weights:
        parameters = count_parameters([folder / name for name in weights], config)
    return ModelFacts(
        type=_type(config, frozenset(names)),
        quantization=_quantization(config),
        parameters=parameters,
        context_length=_context_length(config),
    )


def _config(folder: Path) -> Mapping[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_bytes()) if path.stat().st_size <= _MAX_CONFIG_BYTES else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def _type(config: Mapping[str, Any], names: frozenset[str]) -> str | None:
    if "model_index.json" in names or (not config and "vae" in names and names & _PICTURES):
        return "image-generation"
    if is_whisper(config):
        return "whisper"
    if names & _EMBEDDING_FILES or config.get("model_type") in _EMBEDDERS:
        return "embeddings"
    if any(config.get(sense) for sense in _SENSES):
        return "multimodal"
    architectures = config.get("architectures")
    if isinstance(architectures, list) and architectures:
        return "lm" if any(map(_is_language_model, architectures)) else None
    return "lm" if "vocab_size" in config or "vocab_size" in _text(config) else None


def _is_language_model(architecture: Any) -> bool:
    return isinstance(architecture, str) and architecture.endswith(("ForCausalLM", "LMHeadModel"))


def _quantization(config: Mapping[str, Any]) -> str | None:
    for name in ("quantization", "quantization_config"):
        given = config.get(name)
        if isinstance(given, dict) and (told := _quantization_of(given)):
            return told
    return None


def _quantization_of(given: Mapping[str, Any]) -> str | None:
    method = given.get("mode", given.get("quant_method"))
    if isinstance(method, str) and method.lower() in ("mxfp4", "mxfp8", "nvfp4", "fp8"):
        return method.lower()
    bits = given.get("bits")
    if type(bits) is int and 0 < bits <= 16:
        return f"{bits}-bit"
    for flag, told in (("load_in_4bit", "4-bit"), ("load_in_8bit", "8-bit")):
        if given.get(flag) is True:
            return told
    return None


def _context_length(config: Mapping[str, Any]) -> int | None:
    found = _first(config, _CONTEXT)
    return found if found is not None and found <= _MAX_CONTEXT_TOKENS else None


def _first(config: Mapping[str, Any], names: Sequence[str]) -> int | None:
    text = _text(config)
    for name in names:
        value = config.get(name, text.get(name))
        if type(value) is int and value > 0:
            return value
    return None


def _text(config: Mapping[str, Any]) -> Mapping[str, Any]:
    text = config.get("text_config")
    return text if isinstance(text, dict) else {}
