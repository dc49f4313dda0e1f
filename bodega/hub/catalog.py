"""The models of this machine: the cached ones, the imported ones, and folders by their path.

Reads the disk only. What the Hub would say of a model is not known here.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bodega.errors import IncompleteModel, InvalidRequest, MissingParameter, ModelNotFound, quoted
from bodega.hub.completeness import ALMOST, compare, known_manifest
from bodega.hub.imported import find_imported, imported_folders
from bodega.hub.model_facts import ModelFacts, read_facts
from bodega.hub.paths import (
    check_model_id,
    repository_folder,
    repository_folders,
    snapshot_folder,
)
from bodega.hub.snapshot import (
    Blobs,
    missing_files,
    present_bytes,
    read_blobs,
    read_folder,
    read_shards,
)

LOCAL_OWNER: Final = "local"
_NAMED_FILES: Final = 5
"""Most missing files that a message names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedModel:
    """A model on this machine: a repository in the cache, or an imported one.

    Attributes:
        created: when its first file came, in seconds since 1970.
        owned_by: the first part of its id, "local" if it has one part only.
        size_bytes: what it takes on the disk, all revisions and unfinished files together.
        percent: how much of it is here, from 0 to 100; 100 only if it is complete, and 0 if the
            files do not tell.
        folder: its files, None while there are none.
        is_local: whether it was imported, or is a folder of its own, and not in the cache.
        type: lm, multimodal, embeddings, whisper or image-generation, as far as the files tell.
        quantization: for example "4-bit" or "mxfp4"; None if not quantized or not told.
        parameters: how many weights it has, quantized ones counted singly; None if not told.
        context_length: most tokens that it was made for; None if not told.
    """

    id: str
    created: int
    owned_by: str
    size_bytes: int
    percent: float
    is_complete: bool
    folder: Path | None
    is_local: bool = False
    type: str | None = None
    quantization: str | None = None
    parameters: int | None = None
    context_length: int | None = None


def list_models(home: Path | None = None) -> list[CachedModel]:
    """Return every model, by id. Reads the disk, and does not fail.

    Args:
        home: Bodega's data folder, where imported models are; None: those of the cache alone.
    """
    models = {}
    imported = imported_folders(home) if home is not None else []
    for read, found in ((_read, repository_folders()), (read_local, imported)):
        for model_id, folder in found:
            # Removed between two looks, or not ours to read.
            with contextlib.suppress(OSError):
                models[model_id] = read(model_id, folder)
    return sorted(models.values(), key=lambda model: model.id)


def find_model(name: str, home: Path | None = None) -> Path:
    """Return the folder of a model's files.

    Args:
        name: a folder's path, absolute, relative or with ~, an imported model's id, or a Hugging
            Face id.
        home: Bodega's data folder, where imported models are; None: those of the cache alone.

    Raises:
        MissingParameter: the name is empty.
        InvalidRequest: it can be neither, or it is a file.
        ModelNotFound: no such model is on this machine; the message says how to get it.
        IncompleteModel: it is in the cache in part; the message names what is missing.
    """
    if not name:
        raise MissingParameter("model_path")
    folder = _folder(name)
    if folder is None and home is not None:
        folder = find_imported(home, name)
    return folder if folder is not None else _cached(name)


def _folder(name: str) -> Path | None:
    """Return the folder that a name is the path of, or None if it has to be an id."""
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            return path.absolute()
        is_file = path.exists()
    except (OSError, ValueError, RuntimeError) as error:
        raise InvalidRequest(
            f"{quoted(name)} can be neither a folder's path nor a Hugging Face id.",
            param="model_path",
        ) from error
    if path.suffix.lower() == ".gguf":
        raise InvalidRequest(
            "GGUF files are not loaded directly. 'bodega import' turns one into a model that is.",
            param="model_path",
        )
    if is_file:
        raise InvalidRequest(
            f"{quoted(name)} is a file; a model is loaded from its folder.", param="model_path"
        )
    if path.is_absolute():
        raise ModelNotFound(f"There is no folder {quoted(name)}.", param="model_path")
    return None


def _cached(name: str) -> Path:
    try:
        check_model_id(name)
    except InvalidRequest as error:
        raise InvalidRequest(
            f"{quoted(name)} is no folder on this machine and no Hugging Face id, which looks "
            "like 'organization/name'.",
            param="model_path",
        ) from error
    repository = repository_folder(name)
    snapshot = snapshot_folder(repository) if repository is not None else None
    missing = _missing(snapshot) if snapshot is not None else None
    if snapshot is None or missing is None:
        raise ModelNotFound(
            f"The model {name!r} is not on this machine. To get it: bodega pull {name}",
            param="model_path",
        )
    if missing:
        more = len(missing) - _NAMED_FILES
        named = ", ".join(missing[:_NAMED_FILES]) + (f" and {more} more" if more > 0 else "")
        raise IncompleteModel(
            f"The model {name!r} is on this machine in part: {named} missing. To get the rest: "
            f"bodega pull {name}",
            param="model_path",
        )
    return snapshot


def _missing(snapshot: Path) -> Sequence[str] | None:
    """Return the files that are missing and without which a model cannot be loaded.

    None if the folder itself is not there any more.
    """
    try:
        if missing := missing_files(snapshot):
            return missing
    except FileNotFoundError:  # removed since it was found
        return None
    manifest = known_manifest(snapshot)
    found = compare(snapshot, manifest) if manifest is not None else None
    return found.missing_weights if found is not None else ()


def _read(model_id: str, repository: Path) -> CachedModel:
    snapshot = snapshot_folder(repository)
    blobs = read_blobs(repository)
    percent, is_complete = _completeness(snapshot, blobs)
    oldest = blobs.oldest if blobs.oldest is not None else repository.stat().st_mtime
    facts = read_facts(snapshot) if snapshot is not None else ModelFacts()
    return CachedModel(
        id=model_id,
        created=int(oldest),
        owned_by=model_id.split("/")[0] if "/" in model_id else LOCAL_OWNER,
        size_bytes=blobs.size_bytes,
        percent=percent,
        is_complete=is_complete,
        folder=snapshot,
        type=facts.type,
        quantization=facts.quantization,
        parameters=facts.parameters,
        context_length=facts.context_length,
    )


def read_local(model_id: str, folder: Path) -> CachedModel:
    """Return what a folder that is not in the cache tells of its model.

    Raises:
        OSError: it is not there, or not ours to read.
    """
    files = read_folder(folder)
    is_complete = not missing_files(folder)
    facts = read_facts(folder)
    return CachedModel(
        id=model_id,
        created=int(files.oldest if files.oldest is not None else folder.stat().st_mtime),
        owned_by=LOCAL_OWNER,
        size_bytes=files.size_bytes,
        percent=100.0 if is_complete else 0.0,
        is_complete=is_complete,
        folder=folder,
        is_local=True,
        type=facts.type,
        quantization=facts.quantization,
        parameters=facts.parameters,
        context_length=facts.context_length,
    )


def _completeness(snapshot: Path | None, blobs: Blobs) -> tuple[float, bool]:
    """Return how much of a model is here, in percent, and whether all of it is."""
    if snapshot is None:
        return 0.0, False
    manifest = known_manifest(snapshot)
    known = compare(snapshot, manifest) if manifest is not None else None
    if known is not None:
        return known.percent, not known.missing
    if not blobs.is_unfinished and not missing_files(snapshot):
        return 100.0, True
    shards = read_shards(snapshot)
    if shards is None or shards.total_bytes is None:
        return 0.0, False
    here = present_bytes(snapshot, shards) + blobs.unfinished_bytes
    return min(ALMOST, 100.0 * here / shards.total_bytes), False
