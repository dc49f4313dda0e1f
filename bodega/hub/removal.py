"""Removes models from this machine: from the Hugging Face cache, or imported ones.

A folder first gets a name under which nobody looks for a model, so that none is ever half there,
and is then removed. What a killed process leaves of that is swept by later ones.
"""

import contextlib
import os
import shutil
import stat
import uuid
from pathlib import Path
from typing import Final

from bodega.errors import CacheUnwritable, MissingParameter, ModelNotFound, quoted
from bodega.hub.cached_repository import CachedRepository
from bodega.hub.imported import find_imported
from bodega.hub.paths import cache_folder, check_model_id, repository_folder

_REMOVED: Final = ".removed-"


def removable_folder(model_id: str, home: Path) -> Path:
    """Return the folder that removing a model would remove: an imported one's, else the cache's.

    Args:
        model_id: the model's id; never a path.
        home: Bodega's data folder.

    Raises:
        MissingParameter, InvalidRequest: the id can be none.
        ModelNotFound: there is no such model.
    """
    if not model_id:
        raise MissingParameter("model")
    check_model_id(model_id, param="model")
    folder = find_imported(home, model_id) or repository_folder(model_id)
    if folder is None:
        raise ModelNotFound(
            f"There is no model {quoted(model_id)} in the local Hugging Face cache, and none was "
            "imported under this id. 'bodega list' names those there are.",
            param="model",
        )
    return folder


def remove_model(model_id: str, home: Path) -> int:
    """Remove a model's files, all revisions, and return the bytes that they took.

    Of a folder that is a link, the link alone is removed. The caller sees to it that this process
    does not use the model.

    Args:
        model_id: the model's id; never a path.
        home: Bodega's data folder.

    Raises:
        MissingParameter, InvalidRequest: the id can be none.
        ModelNotFound: there is no such model.
        ModelInUse: a process downloads it.
        CacheUnwritable: it cannot be removed.
    """
    sweep_removed(home)
    folder = removable_folder(model_id, home)
    try:
        if folder.parent != cache_folder():
            return _remove(folder)
        repository = CachedRepository(model_id)
        with repository.not_in_use():
            freed_bytes = _remove(folder)
            repository.forget_locks()
    except OSError as error:
        raise CacheUnwritable(error.strerror or type(error).__name__) from error
    return freed_bytes


def sweep_removed(home: Path) -> None:
    """Remove what killed processes left of folders that they were removing."""
    for parent in (cache_folder(), home / "models"):
        for folder in parent.glob(f"{_REMOVED}*"):
            shutil.rmtree(folder, ignore_errors=True)


def _remove(folder: Path) -> int:
    if folder.is_symlink():
        folder.unlink()
        return 0
    grave = folder.with_name(f"{_REMOVED}{uuid.uuid4().hex[:8]}")
    folder.rename(grave)
    size_bytes = _size_bytes(grave)
    shutil.rmtree(grave, ignore_errors=True)  # another process may sweep it, too
    return size_bytes - _size_bytes(grave)


def _size_bytes(folder: Path) -> int:
    """Add up the files of a folder: each once, whatever links lead to it."""
    sizes = {}
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # removed meanwhile
                status = Path(path, name).lstat()
                if stat.S_ISREG(status.st_mode):
                    sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())
