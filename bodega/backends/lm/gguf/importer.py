"""Turn a GGUF file into a folder that loads like any other model."""

import importlib.util
import json
from collections import deque
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from bodega.backends.base import Piece
from bodega.backends.lm.gguf.parts import read_model_header
from bodega.backends.lm.gguf.plan import Plan, make_plan
from bodega.backends.lm.gguf.tokenizer import (
    read_vocabulary,
    tokenizer_config,
    tokenizer_definition,
)
from bodega.backends.lm.gguf.weights import write_weights
from bodega.draft import draft_of
from bodega.errors import InvalidModel, InvalidRequest, ModelInUse, UnsupportedModel

ORIGIN: Final = "import.json"
"""The file that says what a folder was made of."""

WAIT_S: Final = 600.0
"""How long another process may take that imports to the same folder."""


def plan_import(file: Path, quantize: str | None = None) -> Plan:
    """Check a GGUF file and decide what becomes of it; only its header is read.

    May be called from any thread; takes seconds the first time, when it imports mlx-lm.

    Args:
        file: the file, or one of those that the model is split into.
        quantize: how its weights are to be kept: "none" (as 16-bit numbers), "4", "8" or
            "mxfp4"; None: as in the file where MLX has such storage, else as 16-bit numbers.

    Raises:
        InvalidModel: the file is damaged, or a part of it is missing.
        UnsupportedModel: its architecture, tokenizer or storage is not known.
        InvalidRequest: quantize is none of these.
    """
    plan = make_plan(read_model_header(file), quantize)
    module = f"mlx_lm.models.{plan.config['model_type']}"
    if importlib.util.find_spec(module) is None:
        raise UnsupportedModel(
            f"The installed mlx-lm does not know {plan.config['model_type']}. A newer one may: pip "
            "install --upgrade mlx-lm."
        )
    return plan


def import_steps(
    file: Path, folder: Path, quantize: str | None = None, *, wait: bool = True
) -> Generator[Piece, None, tuple[str, ...]]:
    """Write a GGUF file's model as a folder in Hugging Face's shape, piece by piece.

    On a thread that owns MLX. The folder appears whole or not at all. Returns what differs from
    the file, for people.

    Args:
        file: the GGUF file, or one of those that the model is split into; it is only read.
        folder: the folder to make.
        quantize: as of `plan_import`.
        wait: whether to wait for another who imports to the same folder. On the engine's thread
            there is no waiting: the other one may run there.

    Raises:
        InvalidModel, UnsupportedModel: as `plan_import`.
        InvalidRequest: the folder is there already, or as `plan_import`.
        ModelInUse: another one imports to it.
    """
    yield Piece(60.0)
    plan = plan_import(file, quantize)
    yield Piece(WAIT_S)
    with ExitStack() as stack:
        try:
            draft = stack.enter_context(draft_of(folder, wait=wait))
        except BlockingIOError as error:
            raise ModelInUse("being imported by another process") from error
        if folder.exists():
            raise InvalidRequest("The folder to import to is there already.")
        draft.mkdir()
        yield Piece(120.0)
        _write_texts(draft, plan, quantize)
        yield from write_weights(plan, draft)
        yield Piece(60.0, 1.0)
    return plan.warnings


def ensure_imported_steps(
    file: Path, folder: Path, quantize: str | None = None, *, wait: bool = True
) -> Generator[Piece, None, tuple[str, ...]]:
    """Import a GGUF file unless its folder is there.

    Raises:
        InvalidModel, UnsupportedModel, InvalidRequest, ModelInUse: as `import_steps`.
    """
    if folder.exists():
        return ()
    try:
        return (yield from import_steps(file, folder, quantize, wait=wait))
    except InvalidRequest:
        # Another process imported it while this one waited for its turn.
        if not folder.exists():
            raise
        return ()


def import_gguf(file: Path, folder: Path, quantize: str | None = None) -> None:
    """Import a GGUF file at once, as `import_steps` does piece by piece."""
    deque(import_steps(file, folder, quantize), maxlen=0)


def ensure_imported(file: Path, folder: Path) -> Path:
    """Import a GGUF file at once unless its folder is there, and return the folder."""
    deque(ensure_imported_steps(file, folder), maxlen=0)
    return folder


def _write_texts(folder: Path, plan: Plan, quantize: str | None) -> None:
    vocabulary = read_vocabulary(plan.header.metadata)
    if len(vocabulary.tokens) > plan.dimensions.vocabulary:
        raise InvalidModel("The GGUF file's tokenizer has more tokens than the model.")
    config = dict(plan.config)
    generation: dict[str, Any] = {}
    if (bos := vocabulary.named.get("bos")) is not None:
        config["bos_token_id"] = generation["bos_token_id"] = bos
    if ends := vocabulary.end_ids():
        config["eos_token_id"] = ends[0]
        generation["eos_token_id"] = ends
    context_length = plan.dimensions.context_length
    _write(folder / "config.json", config)
    _write(folder / "generation_config.json", generation)
    _write(folder / "tokenizer.json", tokenizer_definition(vocabulary), indent=None)
    _write(
        folder / "tokenizer_config.json",
        tokenizer_config(vocabulary, context_length=context_length),
    )
    _write(folder / ORIGIN, _origin(plan, quantize))


def _origin(plan: Plan, quantize: str | None) -> dict[str, Any]:
    files = plan.header.files
    return {
        "format": "gguf",
        "files": [{"name": file.name, "size_bytes": file.stat().st_size} for file in files],
        "quantize": quantize,
        "warnings": plan.warnings,
    }


def _write(path: Path, content: dict[str, Any], indent: int | None = 2) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=indent)
    path.write_text(text + "\n", encoding="utf-8")
