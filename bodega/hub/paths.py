"""Where the local Hugging Face cache keeps a model, and which model a folder of it holds."""

import os
import re
from pathlib import Path
from typing import Final

from huggingface_hub import constants
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from bodega.errors import InvalidRequest, quoted

_PREFIX: Final = "models--"
_SEPARATOR: Final = "--"
_COMMIT: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
_REVISION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+/-]{0,199}")


def cache_folder() -> Path:
    """Return the folder of all repositories, which HF_HUB_CACHE and HF_HOME name, if it exists."""
    return Path(constants.HF_HUB_CACHE).expanduser()


def check_model_id(model_id: str, *, param: str = "model_path") -> None:
    """Do nothing if a text can be the id of a repository.

    Args:
        model_id: the text.
        param: the field that it came in.

    Raises:
        InvalidRequest: it cannot.
    """
    try:
        validate_repo_id(model_id)
    except HFValidationError as error:
        raise InvalidRequest(
            f"{quoted(model_id)} can be no Hugging Face id, which looks like 'organization/name'.",
            param=param,
        ) from error


def check_revision(revision: str) -> None:
    """Do nothing if a text can name a revision.

    Raises:
        InvalidRequest: it cannot.
    """
    parts = revision.split("/")
    if not _REVISION.fullmatch(revision) or any(set(part) <= {"."} for part in parts):
        raise InvalidRequest(
            f"{quoted(revision)} can be no branch, tag or commit.", param="revision"
        )


def repository_name(model_id: str) -> str:
    """Return the name of a model's folder in the cache."""
    return _PREFIX + model_id.replace("/", _SEPARATOR)


def repository_id(name: str) -> str | None:
    """Return the id of the model whose folder in the cache has a name, or None if none has."""
    parts = name.removeprefix(_PREFIX).split(_SEPARATOR)
    return "/".join(parts) if name.startswith(_PREFIX) and len(parts) <= 2 else None


def repository_folder(model_id: str) -> Path | None:
    """Return the folder of a model's repository, or None if the cache has none of just this id.

    A file system that ignores case would find others too.
    """
    name = repository_name(model_id)
    cache = cache_folder()
    try:
        return cache / name if name in os.listdir(cache) else None
    except OSError:
        return None


def repository_folders() -> list[tuple[str, Path]]:
    """Return the id and folder of every model repository in the cache, by id."""
    found = []
    try:
        with os.scandir(cache_folder()) as entries:
            for entry in entries:
                model_id = repository_id(entry.name)
                if model_id is not None and entry.is_dir():
                    found.append((model_id, Path(entry.path)))
    except OSError:
        return []
    return sorted(found)


def snapshot_folder(repository: Path) -> Path | None:
    """Return the files of the main revision, else of the newest one, or None if there are none."""
    snapshots = repository / "snapshots"
    try:
        commit = (repository / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        commit = ""
    if _COMMIT.fullmatch(commit) and (snapshots / commit).is_dir():
        return snapshots / commit
    try:
        folders = [folder for folder in snapshots.iterdir() if folder.is_dir()]
        return max(folders, key=lambda folder: folder.stat().st_mtime, default=None)
    except OSError:
        return None
