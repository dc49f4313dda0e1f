"""Imports of GGUF files: one for all who want the same, which goes on when they leave."""

import asyncio
import errno
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bodega.backends.registry import estimate_import_bytes, import_gguf_steps
from bodega.config import DEMO_MODEL
from bodega.engine.engine import Engine
from bodega.errors import (
    CacheUnwritable,
    InsufficientDisk,
    InvalidRequest,
    MissingParameter,
    quoted,
)
from bodega.hub.imported import can_be_id, imported_folder
from bodega.limits import MAX_MODEL_ID_CHARS
from bodega.services.background import Background
from bodega.services.loaded_model import CURRENT
from bodega.services.uses import Uses

Warnings = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """Which file to import.

    Attributes:
        path: the file's.
        model_id: the id that the model gets; None: the file's name without its ending.
        quantize: how its weights are kept: "none", "4", "8" or "mxfp4"; None: as in the file.
    """

    path: str
    model_id: str | None = None
    quantize: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A model that was imported.

    Attributes:
        folder: its files.
        seconds: how long it took.
        warnings: what differs from the file.
    """

    model_id: str
    folder: Path
    size_bytes: int
    seconds: float
    warnings: Warnings


class Imports:
    """Turns GGUF files into models that can be loaded. On the event loop only.

    There is one import into a folder at a time: a second one on the engine's thread would wait
    for the first, which could not go on then.
    """

    def __init__(self, engine: Engine, uses: Uses, home: Path) -> None:
        """Make one.

        Args:
            engine: does the work.
            uses: keeps what is being imported from being removed.
            home: Bodega's data folder.
        """
        self._engine = engine
        self._uses = uses
        self._home = home
        self._running: dict[Path, asyncio.Task[Warnings]] = {}
        self._background = Background()

    async def run(self, request: ImportRequest) -> Imported:
        """Import a file.

        Raises:
            MissingParameter, InvalidRequest: there is no such file, or the id cannot be had.
            UnsupportedModel, InvalidModel: the file cannot be imported.
            InsufficientDisk, CacheUnwritable: there is no room for the model.
            ModelInUse: another process imports it.
            ShuttingDown: the server ends.
        """
        begin = time.monotonic()
        gguf = _file(request.path)
        model_id = request.model_id if request.model_id is not None else gguf.stem
        _check_id(model_id)
        folder = imported_folder(self._home, model_id)
        if folder in self._running or folder.exists():
            raise InvalidRequest(
                f"There is a model {model_id!r} already. Give the new one another model_id, or "
                "delete the old one first.",
                param="model_id",
            )
        warnings = await self._background.wait(self._begin(gguf, folder, request.quantize))
        return Imported(
            model_id=model_id,
            folder=folder,
            size_bytes=sum(file.stat().st_size for file in folder.iterdir()),
            seconds=time.monotonic() - begin,
            warnings=warnings,
        )

    async def ensure(self, gguf: Path, folder: Path) -> None:
        """Import a file into a folder, unless it is there; whoever asks meanwhile waits for it.

        Raises:
            BodegaError: as `run`.
        """
        if not _is_there(folder):
            task = self._running.get(folder)
            await self._background.wait(task or self._begin(gguf, folder, None))

    def close(self) -> None:
        """Leave those who wait; the engine ends the work."""
        self._background.end()

    def _begin(self, gguf: Path, folder: Path, quantize: str | None) -> asyncio.Task[Warnings]:
        task = self._background.start(self._import(gguf, folder, quantize))
        self._running[folder] = task
        task.add_done_callback(lambda _: self._running.pop(folder))
        return task

    async def _import(self, gguf: Path, folder: Path, quantize: str | None) -> Warnings:
        use = self._uses.begin(folder, "being imported")
        try:
            needed = await asyncio.to_thread(estimate_import_bytes, gguf, quantize=quantize)
            with self._disk_errors(needed):
                self._check_disk(needed)
                steps = import_gguf_steps(gguf, folder, quantize=quantize)
                return await self._engine.run(steps)
        finally:
            use.end()

    def _check_disk(self, needed_bytes: int) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(self._home).free
        if needed_bytes > free_bytes:
            raise InsufficientDisk(needed_bytes=needed_bytes, free_bytes=free_bytes)

    @contextmanager
    def _disk_errors(self, needed_bytes: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                free_bytes = shutil.disk_usage(self._home).free
                raise InsufficientDisk(needed_bytes=needed_bytes, free_bytes=free_bytes) from error
            raise CacheUnwritable(error.strerror or type(error).__name__) from error


def _is_there(folder: Path) -> bool:
    return folder.is_dir()


def _check_id(model_id: str) -> None:
    if not can_be_id(model_id) or model_id in (CURRENT, DEMO_MODEL):
        raise InvalidRequest(
            f"{quoted(model_id)} cannot be a model's id: letters, digits, dots, hyphens and "
            f"underscores, at most {MAX_MODEL_ID_CHARS}, can, but for {CURRENT!r} and "
            f"{DEMO_MODEL!r}.",
            param="model_id",
        )


def _file(path: str) -> Path:
    if not path:
        raise MissingParameter("path")
    try:
        file = Path(path).expanduser()
        is_file = file.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise InvalidRequest(f"{quoted(path)} cannot be a file's path.", param="path") from error
    if not is_file:
        raise InvalidRequest(f"There is no file {quoted(path)}.", param="path")
    if file.suffix.lower() != ".gguf":
        raise InvalidRequest(f"{quoted(path)} is not a .gguf file.", param="path")
    return file.absolute()
