"""Where imported models are: a folder each, under Bodega's data folder, named by its id."""

import os
import re
from pathlib import Path
from typing import Final

_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,95}")


def can_be_id(model_id: str) -> bool:
    """Return whether a text can be the id of an imported model."""
    return _ID.fullmatch(model_id) is not None


def imported_folder(home: Path, model_id: str) -> Path:
    """Return where the imported model of an id is, or would be.

    Args:
        home: Bodega's data folder.
        model_id: the id; the caller has seen to it that it is one name.
    """
    return home / "models" / model_id


def find_imported(home: Path, model_id: str) -> Path | None:
    """Return the folder of an imported model, or None if there is none of just this id.

    A file system that ignores case would find others too.
    """
    try:
        is_there = can_be_id(model_id) and model_id in os.listdir(home / "models")
    except OSError:
        return None
    folder = imported_folder(home, model_id)
    return folder if is_there and folder.is_dir() else None


def imported_folders(home: Path) -> list[tuple[str, Path]]:
    """Return the id and folder of every imported model, by id."""
    try:
        with os.scandir(home / "models") as entries:
            found = [
                (entry.name, Path(entry.path))
                for entry in entries
                if can_be_id(entry.name) and entry.is_dir()
            ]
    except OSError:
        return []
    return sorted(found)
