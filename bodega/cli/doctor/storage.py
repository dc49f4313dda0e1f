"""The folders of models: room on their disks, whether they can be written, what is unfinished."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bodega.cli.doctor.finding import Finding
from bodega.cli.figures import size
from bodega.config import default_home
from bodega.hub.catalog import list_models
from bodega.hub.paths import cache_folder

_LOW_BYTES: Final = 5 * 10**9
_NAMED: Final = 5
"""Most unfinished models that are told one by one."""

_HUB_VARIABLES: Final = ("HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE")


def findings() -> list[Finding]:
    """Return what the folders hold and what is wrong with them."""
    return [
        _folder("hub cache", cache_folder(), "HF_HOME"),
        _folder("data folder", default_home(), "BODEGA_HOME"),
        *_models(),
        _hub(os.environ),
    ]


def _folder(name: str, folder: Path, variable: str) -> Finding:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not os.access(there, os.W_OK | os.X_OK) or not there.is_dir():
        return Finding(
            name=name,
            state="wrong",
            text=f"{folder} cannot be written",
            mend=f"chown {os.getuid()} {there}, or export {variable}=FOLDER",
        )
    free_bytes = shutil.disk_usage(there).free
    text = f"{folder}, {size(free_bytes)} free"
    if free_bytes < _LOW_BYTES:
        return Finding(name=name, state="note", text=text, mend="bodega rm MODEL")
    return Finding(name=name, text=text)


def _models() -> list[Finding]:
    models = list_models(home=default_home())
    unfinished = [model for model in models if not model.is_complete]
    found = [Finding(name="models", text=f"{len(models) - len(unfinished)} complete")]
    for model in unfinished[:_NAMED]:
        found.append(
            Finding(
                name="models",
                state="note",
                text=f"{model.id} is here in part, {model.percent:.1f} %",
                mend=f"bodega pull {model.id}, or bodega rm {model.id}",
            )
        )
    if more := len(unfinished[_NAMED:]):
        found.append(
            Finding(name="models", state="note", text=f"{more} more in part", mend="bodega list")
        )
    return found


def _hub(variables: Mapping[str, str]) -> Finding:
    told = [f"{name}={variables[name]}" for name in _HUB_VARIABLES if variables.get(name)]
    told.append("HF_TOKEN is set" if variables.get("HF_TOKEN") else "no HF_TOKEN")
    return Finding(name="hub", text=", ".join(told))
