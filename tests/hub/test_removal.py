"""Removing a model takes its files and nothing else, and leaves nothing half there."""

import errno
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from bodega.errors import (
    CacheUnwritable,
    InvalidRequest,
    MissingParameter,
    ModelInUse,
    ModelNotFound,
)
from bodega.hub.cached_repository import CachedRepository
from bodega.hub.catalog import list_models
from bodega.hub.download import Download
from bodega.hub.removal import removable_folder, remove_model, sweep_removed
from tests.hub.cache import COMMIT, CONFIG, add_model
from tests.hub.models import MODEL
from tests.hub.played_hub import PlayedHub

FILES = {"config.json": CONFIG, "model.safetensors": b"w" * 1000}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return Bodega's data folder."""
    return tmp_path / "bodega"


def add_imported(home: Path, model_id: str) -> Path:
    """Put an imported model into the data folder."""
    folder = home / "models" / model_id
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


def test_all_of_a_model_goes_and_the_bytes_are_told(cache: Path, home: Path) -> None:
    add_model(cache, "org/one", FILES, unfinished={"aa": b"x" * 10})
    add_model(cache, "org/one", {"config.json": b"old"}, commit="f" * 40, main=False)
    kept = add_model(cache, "org/one-more", FILES)
    (cache / ".locks" / "models--org--one").mkdir(parents=True)
    assert remove_model("org/one", home) == len(CONFIG) + 1000 + 10 + 3 + len(COMMIT)
    assert [model.id for model in list_models()] == ["org/one-more"]
    assert sorted(path.name for path in cache.iterdir()) == [".locks", "models--org--one-more"]
    assert list((cache / ".locks").iterdir()) == []
    assert (kept / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_downloaded_model_goes_and_comes_again(hub: PlayedHub, cache: Path, home: Path) -> None:
    hub.add_model("org/one", MODEL)
    Download("org/one").run()
    assert remove_model("org/one", home) > sum(map(len, MODEL.values()))
    assert list_models() == []
    Download("org/one").run()
    assert list_models()[0].is_complete


def test_an_imported_model_goes(cache: Path, home: Path) -> None:
    folder = add_imported(home, "mine")
    add_imported(home, "other")
    assert removable_folder("mine", home) == folder
    assert remove_model("mine", home) == len(CONFIG) + 1000
    assert [path.name for path in (home / "models").iterdir()] == ["other"]


@pytest.mark.parametrize(
    "model_id",
    ["../../x", "/etc", "a/../../b", "models--org--one", "org/..", "org\\one", "a\0b", "..", "."],
)
def test_what_can_be_no_id_removes_nothing(cache: Path, home: Path, model_id: str) -> None:
    add_model(cache, "org/one", FILES)
    with pytest.raises(InvalidRequest) as caught:
        remove_model(model_id, home)
    assert caught.value.param == "model"
    assert len(list_models()) == 1


@pytest.mark.parametrize("model_id", ["org/other", "ORG/one", "one", "org", "blobs", "Mine"])
def test_what_is_not_there_is_not_found(cache: Path, home: Path, model_id: str) -> None:
    add_model(cache, "org/one", FILES)
    add_imported(home, "mine")
    with pytest.raises(ModelNotFound) as caught:
        remove_model(model_id, home)
    assert caught.value.param == "model"
    assert len(list_models(home)) == 2


def test_no_name_at_all_is_a_missing_parameter(home: Path) -> None:
    with pytest.raises(MissingParameter):
        remove_model("", home)


def test_of_a_folder_that_is_a_link_the_link_alone_goes(
    cache: Path, home: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    add_model(elsewhere, "org/one", FILES)
    (cache / "models--org--one").symlink_to(elsewhere / "models--org--one")
    mine = add_imported(tmp_path, "mine")
    (home / "models").mkdir(parents=True)
    (home / "models" / "mine").symlink_to(mine)
    assert remove_model("org/one", home) == 0
    assert remove_model("mine", home) == 0
    assert list_models(home) == []
    assert len(list((elsewhere / "models--org--one").iterdir())) == 3
    assert len(list(mine.iterdir())) == 2


def test_links_inside_lead_to_nothing_that_goes(cache: Path, home: Path, tmp_path: Path) -> None:
    snapshot = add_model(cache, "org/one", FILES)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("kept")
    (snapshot / "folder").symlink_to(precious)
    (snapshot / "file").symlink_to(precious / "file")
    assert remove_model("org/one", home) == len(CONFIG) + 1000 + len(COMMIT)
    assert (precious / "file").read_text() == "kept"


def test_what_another_process_downloads_stays(cache: Path, home: Path) -> None:
    add_model(cache, "org/one", FILES)
    with CachedRepository("org/one").in_use(), pytest.raises(ModelInUse, match="downloaded"):
        remove_model("org/one", home)
    with (
        FileLock(cache / ".locks" / "models--org--one" / f"{'a' * 40}.lock"),
        pytest.raises(ModelInUse, match="downloaded"),
    ):
        remove_model("org/one", home)
    assert list_models()[0].is_complete
    remove_model("org/one", home)


@pytest.mark.parametrize("model_id", ["org/one", "mine"])
def test_a_process_killed_in_between_leaves_no_model_and_its_rest_is_swept(
    cache: Path, home: Path, monkeypatch: pytest.MonkeyPatch, model_id: str
) -> None:
    add_model(cache, "org/one", FILES)
    add_imported(home, "mine")

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(shutil, "rmtree", die)
        with pytest.raises(KeyboardInterrupt):
            remove_model(model_id, home)
    assert model_id not in [model.id for model in list_models(home)]
    folders = [*cache.iterdir(), *(home / "models").iterdir()]
    sweep_removed(home)
    assert len([folder for folder in folders if not folder.exists()]) == 1
    assert len(list_models(home)) == 1


def test_a_folder_that_cannot_be_removed_is_told_and_stays(
    cache: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_model(cache, "org/one", FILES)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(CacheUnwritable, match="Permission denied"):
        remove_model("org/one", home)
    assert list_models()[0].is_complete
