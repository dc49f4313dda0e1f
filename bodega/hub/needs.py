"""What a model needs of its repository, where names alone do not tell."""

import json
from collections.abc import Callable

from bodega.errors import InvalidModel, NoSafetensors
from bodega.hub.manifest import Manifest, RepositoryFile
from bodega.hub.model_facts import is_whisper
from bodega.hub.selection import WHISPER_WEIGHTS, Selection, find_indexes, select
from bodega.hub.weight_index import Shards, parse_index
from bodega.limits import MAX_INDEX_BYTES

_NAMED_FILES = 5
"""Most missing files that a message names."""


def needed_files(
    model_id: str,
    manifest: Manifest,
    read: Callable[[RepositoryFile], bytes],
    allow_code: bool,
) -> Selection:
    """Return the files that a model needs.

    Args:
        model_id: the model, for messages.
        manifest: what its repository holds.
        read: returns the content of a small file.
        allow_code: whether Python code is among them.

    Raises:
        NoSafetensors: there are no weights that could be used.
        InvalidModel: its index is damaged, or names files that are not there.
    """
    indexes = {}
    if any(name.endswith(".safetensors") for name in manifest.files):
        for name in find_indexes(manifest.files):
            indexes[name] = _read_index(manifest, manifest.files[name], read)
    needed = select(manifest.files, indexes, allow_code=allow_code)
    if not needed.weights:
        raise NoSafetensors(model_id)
    if needed.weights == (WHISPER_WEIGHTS,) and not _is_whisper(manifest, read):
        raise NoSafetensors(model_id)
    return needed


def _read_index(
    manifest: Manifest, file: RepositoryFile, read: Callable[[RepositoryFile], bytes]
) -> Shards:
    shards = parse_index(read(file)) if file.size_bytes <= MAX_INDEX_BYTES else None
    if shards is None:
        raise InvalidModel(
            f"The repository's {file.name} is damaged on the Hugging Face Hub.", param="model_path"
        )
    prefix = file.name.rpartition("/")[0]
    names = {f"{prefix}/{name}" if prefix else name for name in shards.names}
    if missing := sorted(names - set(manifest.files)):
        more = len(missing) - _NAMED_FILES
        named = ", ".join(missing[:_NAMED_FILES]) + (f" and {more} more" if more > 0 else "")
        raise InvalidModel(
            f"The repository's {file.name} names weights that the repository does not have: "
            f"{named}.",
            param="model_path",
        )
    return shards


def _is_whisper(manifest: Manifest, read: Callable[[RepositoryFile], bytes]) -> bool:
    file = manifest.files.get("config.json")
    if file is None or file.size_bytes > MAX_INDEX_BYTES:
        return False
    try:
        config = json.loads(read(file))
    except (ValueError, RecursionError):
        return False
    return isinstance(config, dict) and is_whisper(config)
