"""Which files of a repository a model needs. Pure: knows names alone.

Only what is named here is ever fetched: safetensors weights, and the JSON and text beside them.
Pickles, other programs' formats and second copies of the weights are not.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from huggingface_hub.utils import filter_repo_objects

from bodega.hub.weight_index import Shards

WHISPER_WEIGHTS: Final = "weights.npz"
"""How MLX's conversions of Whisper keep their weights when they have no safetensors."""

_WEIGHTS: Final = ".safetensors"
_INDEX: Final = ".safetensors.index.json"
_TEXTS: Final = (".json", ".jinja", ".txt", ".model", ".tiktoken", ".vocab", ".bpe")
_ROOT_TEXTS: Final = (".jsonl",)
_CODE: Final = ".py"

_PIPELINE: Final = "model_index.json"
"""Names the folders of a model of several parts, as those that make pictures are."""

_COPIES: Final = ("consolidated", "optimizer", "adapter")
"""How names of weights begin that the model does not consist of."""

_VARIANT: Final = re.compile(r"(.+)\.[a-z0-9_]+(\.safetensors)")
"""Such as model.fp16.safetensors, beside model.safetensors."""

_OTHER_FOLDERS: Final = frozenset(
    {"coreml", "flax", "gguf", "metal", "onnx", "openvino", "original", "pytorch", "tf"}
)
_PARTS_OF_ONE: Final = re.compile(r"[0-9]+_[A-Za-z]+|additional_chat_templates|processor|tokenizer")
"""Folders that belong to a model whose weights are beside them: those of its modules."""

_RECORDS: Final = frozenset({"requirements.txt", "trainer_state.json", "training_args.json"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The names of the files that a model needs."""

    weights: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, the small ones first."""
        return self.others + self.weights


def find_indexes(names: Collection[str]) -> tuple[str, ...]:
    """Return the indexes of weights, which `select` wants to know the content of."""
    folders: dict[str, list[str]] = {}
    for name in _wanted(names):
        folder, base = _split(name)
        if base.endswith(_INDEX) and not base.startswith(_COPIES):
            folders.setdefault(folder, []).append(name)
    # The others are of variants, whose names are longer.
    return tuple(sorted(min(found, key=len) for found in folders.values()))


def select(
    names: Collection[str], indexes: Mapping[str, Shards], *, allow_code: bool = False
) -> Selection:
    """Return which files of a repository a model needs.

    Args:
        names: the names of all its files, with slashes.
        indexes: what is known of those that `find_indexes` names.
        allow_code: whether Python code is taken, too.

    Returns:
        The files. Without weights if there are none of a kind that is used here.
    """
    wanted = list(_wanted(names))
    by_folder: dict[str, list[str]] = {}
    for name in wanted:
        if name.endswith(_WEIGHTS):
            by_folder.setdefault(_split(name)[0], []).append(name)
    indexed = {_split(index)[0]: (index, shards) for index, shards in indexes.items()}
    weights: set[str] = set()
    for folder, found in by_folder.items():
        own = indexed.get(folder)
        weights |= _indexed(folder, own[1], found) if own is not None else _weights(found)
    inside = {name for name in weights if "/" not in name}
    if _PIPELINE in names:
        weights -= inside
    elif inside:
        weights = {name for name in weights if _is_part(name)}
    elif not weights and WHISPER_WEIGHTS in names:
        weights = {WHISPER_WEIGHTS}
    unused = {name for name in wanted if name.endswith(_INDEX)} - set(find_indexes(names))
    others = [
        name
        for name in wanted
        if (not inside or _PIPELINE in names or _is_part(name))
        and _is_text(name, allow_code=allow_code)
        and name not in unused
    ]
    return Selection(weights=tuple(sorted(weights)), others=tuple(sorted(others)))


def narrow(selection: Selection, patterns: Sequence[str] | None) -> Selection:
    """Return the files that match one of the patterns, all if there are none.

    Args:
        selection: what to choose from; a pattern adds nothing to it.
        patterns: as huggingface_hub has them, for example "*.json" or "vae/".
    """
    if not patterns:
        return selection
    return Selection(
        weights=tuple(filter_repo_objects(selection.weights, allow_patterns=list(patterns))),
        others=tuple(filter_repo_objects(selection.others, allow_patterns=list(patterns))),
    )


def _wanted(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        folders = name.split("/")[:-1]
        if not any(part.lower() in _OTHER_FOLDERS or part.startswith(".") for part in folders):
            yield name


def _split(name: str) -> tuple[str, str]:
    folder, _, base = name.rpartition("/")
    return folder, base


def _is_part(name: str) -> bool:
    folder = name.rpartition("/")[0]
    return not folder or bool(_PARTS_OF_ONE.fullmatch(folder))


def _indexed(folder: str, shards: Shards, found: Sequence[str]) -> set[str]:
    prefix = f"{folder}/" if folder else ""
    return {prefix + name for name in shards.names} & set(found)


def _weights(found: Sequence[str]) -> set[str]:
    """Choose among the weights of a folder that has no index."""
    own = {name for name in found if not _split(name)[1].startswith(_COPIES)}
    named = {name for name in own if _split(name)[1].startswith("model")} or own
    return {
        name
        for name in named
        if not (variant := _VARIANT.fullmatch(name)) or variant[1] + variant[2] not in named
    }


def _is_text(name: str, *, allow_code: bool) -> bool:
    base = _split(name)[1]
    if base.startswith(".") or base in _RECORDS:
        return False
    if base.endswith(_CODE):
        return allow_code
    return base.endswith(_TEXTS) or ("/" not in name and base.endswith(_ROOT_TEXTS))
