"""What a model's folder says of it, read and checked before a byte of weights is."""

import importlib.util
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from bodega.backends.lm.adapters import Adapter, read_adapter
from bodega.backends.lm.decoding import piece_decoder
from bodega.backends.lm.template import ChatTemplate
from bodega.backends.lm.template_files import read_template
from bodega.backends.lm.template_trial import tried
from bodega.backends.lm.tokenizer import ChatTokenizer
from bodega.config import LoadParameters
from bodega.errors import InvalidModel, UnsupportedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class LmFiles:
    """A language model's folder, inspected.

    Attributes:
        architecture: the configuration's model_type.
        template: its chat template.
        tokenizer: makes tokens of conversations.
        tokenizer_definition: the content of tokenizer.json.
        stop_tokens: token ids that end an answer.
        context_length: tokens in force: what was asked for, at most the model's own.
        runs_remote_code: whether building the model runs Python code of the folder.
        weight_bytes: size of the files of weights, those of the adapters included.
        adapters: what the model is to be run with.
    """

    folder: Path
    architecture: str
    template: ChatTemplate
    tokenizer: ChatTokenizer
    tokenizer_definition: Mapping[str, Any]
    stop_tokens: frozenset[int]
    context_length: int
    runs_remote_code: bool
    weight_bytes: int
    warnings: tuple[str, ...]
    adapters: tuple[Adapter, ...] = ()


def inspect(folder: Path, parameters: LoadParameters) -> LmFiles:
    """Read what a folder says of its model, and check it.

    May be called from any thread; takes seconds the first time, when it imports mlx-lm.

    Raises:
        InvalidModel: files are missing or damaged.
        UnsupportedModel: the architecture or tokenizer is not known, or the model needs code
            of its own, which was not asked for.
        InvalidRequest: the chat template file of the request cannot be used.
        InvalidAdapter: an adapter's files are missing or damaged.
    """
    config = _read_object(folder / "config.json")
    architecture = _architecture(config)
    runs_remote_code = config.get("model_file") is not None
    if runs_remote_code and not parameters.trust_remote_code:
        raise UnsupportedModel(
            "The model is built by Python code that comes with it. Load it with "
            "trust_remote_code, on a server started with --allow-remote-code.",
            param="model_path",
        )
    if not runs_remote_code:
        _check_architecture(config, architecture)
    weight_bytes = _check_weights(folder)
    tokenizer_config = _read_object(folder / "tokenizer_config.json", missing={})
    special_tokens = _special_tokens(tokenizer_config)
    template = read_template(
        folder, tokenizer_config, parameters.chat_template_file, special_tokens
    )
    with _tried(template, parameters):
        definition = _tokenizer_definition(folder, trust_remote_code=parameters.trust_remote_code)
        tokenizer = _tokenizer(definition, template)
    adapters = tuple(read_adapter(path, scale) for path, scale in parameters.adapters)
    context_length, warnings = _context_length(config, parameters.context_length)
    return LmFiles(
        folder=folder,
        architecture=architecture,
        template=template,
        tokenizer=tokenizer,
        tokenizer_definition=definition,
        stop_tokens=_stop_tokens(folder, config, definition, special_tokens.get("eos_token")),
        context_length=context_length,
        runs_remote_code=runs_remote_code,
        weight_bytes=weight_bytes + sum(adapter.size_bytes for adapter in adapters),
        warnings=warnings,
        adapters=adapters,
    )


@contextmanager
def _tried(template: ChatTemplate, parameters: LoadParameters) -> Iterator[None]:
    is_given = parameters.chat_template_file is not None
    try:
        with tried(template):
            yield
    except InvalidModel as error:
        error.param = error.param or ("chat_template_file" if is_given else "model_path")
        raise


def _invalid(message: str) -> InvalidModel:
    return InvalidModel(message, param="model_path")


def _read_object(path: Path, missing: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if missing is not None:
            return missing
        raise _invalid(f"The model's folder has no {path.name}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise _invalid(f"The model's {path.name} cannot be read as JSON.") from error
    if not isinstance(value, dict):
        raise _invalid(f"The model's {path.name} is not a JSON object.")
    return value


def _architecture(config: Mapping[str, Any]) -> str:
    architecture = config.get("model_type")
    if not isinstance(architecture, str) or not architecture:
        raise _invalid("The model's config.json names no model_type.")
    return architecture


def _check_architecture(config: Mapping[str, Any], architecture: str) -> None:
    from mlx_lm.utils import MODEL_REMAPPING

    module = MODEL_REMAPPING.get(architecture, architecture)
    if not module.isidentifier() or importlib.util.find_spec(f"mlx_lm.models.{module}") is None:
        raise UnsupportedModel(
            f"The model's architecture, {architecture!r}, is not one that mlx-lm knows. A newer "
            "mlx-lm may: pip install --upgrade mlx-lm.",
            param="model_path",
        )


def _check_weights(folder: Path) -> int:
    """Check the files of weights, all but the weights themselves, and return their size."""
    files = sorted(folder.glob("model*.safetensors"))
    here = {file.name for file in files}
    if missing := sorted(_indexed_files(folder) - here):
        raise _invalid(f"The model is incomplete: {', '.join(missing)} is not there.")
    if not files:
        raise _invalid(
            "The model's folder has no model*.safetensors. Only safetensors weights are loaded."
        )
    for file in files:
        try:
            with safe_open(file, framework="numpy"):
                pass
        except (SafetensorError, OSError) as error:
            raise _invalid(f"The model's {file.name} is damaged.") from error
    return sum(file.stat().st_size for file in files)


def _indexed_files(folder: Path) -> set[str]:
    """Return the names of the weight files that the index names, if there is one."""
    path = folder / "model.safetensors.index.json"
    places = _read_object(path, missing={}).get("weight_map", {})
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise _invalid(f"The model's {path.name} is damaged.")
    return set(places.values())


def _context_length(config: Mapping[str, Any], asked: int) -> tuple[int, tuple[str, ...]]:
    text = config.get("text_config")
    text = text if isinstance(text, dict) else {}
    for name in ("max_position_embeddings", "max_seq_len", "n_positions", "seq_length"):
        own = config.get(name, text.get(name))
        if type(own) is int and own > 0:
            break
    else:
        return asked, ()
    if asked <= own:
        return asked, ()
    return own, (f"context_length {asked} is more than the model was made for: {own} is in force.",)


def _tokenizer_definition(folder: Path, *, trust_remote_code: bool) -> Mapping[str, Any]:
    path = folder / "tokenizer.json"
    if path.exists():
        return _read_object(path)
    # Transformers builds the fast form of tokenizers that ship another one.
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
        definition: Mapping[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    except Exception as error:  # boundary: Transformers raises whatever its parts do
        raise UnsupportedModel(
            "The model has no tokenizer.json, and none can be made of its tokenizer files.",
            param="model_path",
        ) from error
    return definition


def _tokenizer(definition: Mapping[str, Any], template: ChatTemplate) -> ChatTokenizer:
    try:
        piece_decoder(definition)
        return ChatTokenizer(definition, template)
    except UnsupportedModel as error:
        error.param = "model_path"
        raise
    except Exception as error:  # boundary: tokenizers raises bare exceptions
        raise _invalid("The model's tokenizer.json is damaged.") from error


def _special_tokens(config: Mapping[str, Any]) -> dict[str, str]:
    tokens = {}
    for name in ("bos_token", "eos_token", "unk_token", "pad_token"):
        token = config.get(name)
        if isinstance(token, dict):
            token = token.get("content")
        if isinstance(token, str):
            tokens[name] = token
    return tokens


def _stop_tokens(
    folder: Path, config: Mapping[str, Any], tokenizer: Mapping[str, Any], eos_token: str | None
) -> frozenset[int]:
    generation = _read_object(folder / "generation_config.json", missing={})
    ids: set[int] = set()
    text = config.get("text_config")
    for source in (generation, config, text if isinstance(text, dict) else {}):
        value = source.get("eos_token_id")
        named = value if isinstance(value, list) else [value]
        ids.update(token for token in named if type(token) is int)
    ids.update(
        token["id"] for token in tokenizer.get("added_tokens", []) if token["content"] == eos_token
    )
    return frozenset(ids)
