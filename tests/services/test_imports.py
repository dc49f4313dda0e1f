"""There is one import into a folder at a time, whoever asks for it."""

import asyncio
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from bodega.backends.base import Piece
from bodega.engine.engine import Engine
from bodega.errors import CacheUnwritable, InsufficientDisk, InvalidRequest, ShuttingDown
from bodega.services import imports as module
from bodega.services.imports import ImportRequest, Imports
from bodega.services.uses import Uses
from tests.engine.conftest import engine  # noqa: F401 - a fixture

Steps = Callable[[], Generator[Piece, None, tuple[str, ...]]]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the folders that were made by imports, which are played."""
    folders: list[Path] = []

    def steps_of(gguf: Path, folder: Path, *, quantize: str | None = None) -> Steps:
        def steps() -> Generator[Piece, None, tuple[str, ...]]:
            folders.append(folder)
            for _ in range(3):
                yield Piece(60.0)
            if gguf.stem == "full":
                raise OSError(28, "No space left on device")
            if gguf.stem == "locked":
                raise OSError(30, "Read-only file system")
            folder.mkdir(parents=True)
            return ("a warning",)

        return steps

    monkeypatch.setattr(module, "import_gguf_steps", steps_of)
    monkeypatch.setattr(module, "estimate_import_bytes", lambda *_, **__: 1)
    return folders


@pytest.fixture
def imports(engine: Engine, tmp_path: Path, made: list[Path]) -> Imports:  # noqa: F811
    return Imports(engine, Uses(), tmp_path / "home")


def gguf(folder: Path, name: str = "some") -> str:
    (folder / f"{name}.gguf").touch()
    return str(folder / f"{name}.gguf")


async def test_all_who_need_a_folder_wait_for_one_import(
    imports: Imports, made: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    await asyncio.gather(*(imports.ensure(Path(gguf(tmp_path)), folder) for _ in range(3)))
    await imports.ensure(tmp_path / "gone.gguf", folder)
    assert made == [folder]


async def test_of_two_imports_to_one_id_the_second_is_refused(
    imports: Imports, made: list[Path], tmp_path: Path
) -> None:
    asked = [imports.run(ImportRequest(path=gguf(tmp_path))) for _ in range(2)]
    first, second = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(second, InvalidRequest)
    assert not isinstance(first, BaseException)
    assert (first.model_id, first.warnings) == ("some", ("a warning",))
    assert len(made) == 1


@pytest.mark.parametrize(
    ("name", "error"), [("full", InsufficientDisk), ("locked", CacheUnwritable)]
)
async def test_what_the_disk_refuses_is_named(
    imports: Imports, tmp_path: Path, name: str, error: Any
) -> None:
    with pytest.raises(error):
        await imports.run(ImportRequest(path=gguf(tmp_path, name)))


@pytest.mark.parametrize("name", ["current", "demo", "a/b", "..", "-x", ""])
async def test_an_id_that_means_something_else_is_refused(
    imports: Imports, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InvalidRequest):
        await imports.run(ImportRequest(path=gguf(tmp_path), model_id=name))


async def test_none_begins_when_the_server_ends(imports: Imports, tmp_path: Path) -> None:
    imports.close()
    with pytest.raises(ShuttingDown):
        await imports.run(ImportRequest(path=gguf(tmp_path)))
