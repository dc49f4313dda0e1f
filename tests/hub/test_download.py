"""What a download brings, where it puts it, and what it does about what is there already."""

import hashlib
import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants, scan_cache_dir, snapshot_download

from bodega.errors import DownloadCancelled, InvalidRequest
from bodega.hub.catalog import find_model, list_models
from bodega.hub.download import Download
from bodega.hub.progress import DownloadStage, Progress
from tests.hub.hub_faults import Hold
from tests.hub.models import MODEL, SMALL, WEIGHTS
from tests.hub.played_hub import PlayedHub, etag, git_id

BLOB = etag("model.safetensors", WEIGHTS)
SIZE = len(WEIGHTS)


def blobs(cache: Path) -> Path:
    """Return the folder of the model's blobs."""
    return cache / "models--org--one" / "blobs"


def content(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder by name."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_model_comes_whole_and_nothing_else_does(hub: PlayedHub, cache: Path) -> None:
    unused = {"pytorch_model.bin": b"pickle", "own.py": b"import os", "README.md": b"# One"}
    commit = hub.add_model("org/one", {**MODEL, **unused})
    cache.rmdir()
    downloaded = Download("org/one").run()
    assert content(downloaded.folder) == MODEL
    assert downloaded.commit == commit
    assert downloaded.size_bytes == sum(map(len, MODEL.values()))
    assert not any(request.path.endswith((".bin", ".py", ".md")) for request in hub.requests)
    (model,) = list_models()
    assert (model.id, model.is_complete, model.percent) == ("org/one", True, 100.0)
    assert find_model("org/one") == downloaded.folder


def test_the_cache_is_as_the_hubs_own_client_leaves_it(
    hub: PlayedHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.add_model("org/one", {**MODEL, "1_Pooling/config.json": b"{}"})
    folder = Download("org/one").run().folder
    repository = cache / "models--org--one"
    assert folder == repository / "snapshots" / commit
    assert (repository / "refs" / "main").read_text() == commit
    assert {path.name for path in blobs(cache).iterdir()} == {
        *(etag(name, told) for name, told in MODEL.items()),
        git_id(b"{}"),
    }
    assert (folder / "model.safetensors").readlink() == Path(f"../../blobs/{BLOB}")
    found = scan_cache_dir(cache)
    assert not found.warnings
    assert [repo.repo_id for repo in found.repos] == ["org/one"]
    before = len(hub.requests)
    assert snapshot_download("org/one", allow_patterns=["*.json", "*.safetensors"]) == str(folder)
    assert not [one for one in hub.requests[before:] if "/resolve/" in one.path]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert snapshot_download("org/one", allow_patterns=["*.safetensors"]) == str(folder)


def test_what_the_hubs_own_client_fetched_is_not_fetched_again(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    theirs = snapshot_download("org/one")
    before = len(hub.requests)
    assert str(Download("org/one").run().folder) == theirs
    assert not [one for one in hub.requests[before:] if "/resolve/" in one.path]


def test_patterns_narrow_what_is_fetched(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", {**MODEL, "pytorch_model.bin": b"pickle"})
    folder = Download("org/one", allow_patterns=["*.json", "*.bin"]).run().folder
    assert content(folder) == SMALL
    (model,) = list_models()
    assert not model.is_complete
    with pytest.raises(InvalidRequest) as caught:
        Download("org/one", allow_patterns=["*.bin"]).run()
    assert caught.value.param == "allow_patterns"


def test_code_comes_only_when_it_is_allowed(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", {**MODEL, "own.py": b"import os"})
    assert "own.py" not in content(Download("org/one").run().folder)
    assert "own.py" in content(Download("org/one", allow_code=True).run().folder)


def test_only_the_weights_that_the_index_names_come(hub: PlayedHub, cache: Path) -> None:
    index = b'{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'
    files = {name: name.encode() for name in ("model-1.safetensors", "model-2.safetensors")}
    more = {"model-3.safetensors": b"3", "consolidated.safetensors": b"4"}
    files = {**SMALL, **files, "model.safetensors.index.json": index}
    hub.add_model("org/one", {**files, **more})
    assert content(Download("org/one").run().folder) == files
    before = len(hub.requests)
    Download("org/one").run()
    assert len(hub.requests) == before + 1


def test_whisper_in_mlx_form_may_have_other_weights(hub: PlayedHub, cache: Path) -> None:
    files = {"config.json": b'{"n_mels": 80}', "weights.npz": b"zip"}
    hub.add_model("org/one", files)
    assert content(Download("org/one").run().folder) == files
    assert list_models()[0].is_complete


def test_a_branch_and_a_commit_can_be_named(hub: PlayedHub, cache: Path) -> None:
    first = hub.add_model("org/one", MODEL)
    second = hub.add_model("org/one", {**MODEL, "config.json": b'{"b": 2}'}, revision="dev/next")
    assert Download("org/one", revision=first).run().commit == first
    assert not (cache / "models--org--one" / "refs").exists()
    downloaded = Download("org/one", revision="dev/next").run()
    assert downloaded.commit == second
    assert (cache / "models--org--one" / "refs" / "dev" / "next").read_text() == second


def test_a_newer_commit_takes_over_only_when_it_is_here(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    old = Download("org/one").run().folder
    newer = WEIGHTS[::-1]
    hub.add_model("org/one", {**MODEL, "model.safetensors": newer})
    hub.faults.damage("model.safetensors", times=9)
    with pytest.raises(Exception, match="not what the Hugging"):
        Download("org/one").run()
    assert find_model("org/one") == old
    assert list_models()[0].is_complete
    hub.faults.damage("model.safetensors", times=0)
    new = Download("org/one").run().folder
    assert find_model("org/one") == new
    assert (new / "model.safetensors").read_bytes() == newer
    # What both have in common was not fetched again.
    assert len(hub.fetched("tokenizer.json")) == 1


def test_files_of_one_content_are_fetched_once(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", {**MODEL, "added_tokens.json": b"{}", "tokenizer.json": b"{}"})
    plan = Download("org/one").plan()
    assert plan.missing_bytes == plan.total_bytes - 2
    folder = Download("org/one").run().folder
    assert (folder / "added_tokens.json").read_bytes() == b"{}"
    assert len(hub.fetched("added_tokens.json") + hub.fetched("tokenizer.json")) == 1


def test_a_plan_tells_what_is_to_come_and_writes_nothing(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    plan = Download("org/one").plan()
    assert [file.name for file in plan.files] == [*sorted(SMALL), "model.safetensors"]
    assert plan.total_bytes == plan.missing_bytes == sum(map(len, MODEL.values()))
    assert plan.present_bytes == 0
    assert list(cache.iterdir()) == []
    blobs(cache).mkdir(parents=True)
    (blobs(cache) / f"{BLOB}.incomplete").write_bytes(WEIGHTS[:1000])
    plan = Download("org/one").plan()
    assert (plan.present_bytes, plan.missing_bytes) == (1000, plan.total_bytes - 1000)


def test_bytes_of_an_earlier_try_are_kept(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    blobs(cache).mkdir(parents=True)
    (blobs(cache) / f"{BLOB}.incomplete").write_bytes(WEIGHTS[:700_000])
    assert content(Download("org/one").run().folder) == MODEL
    assert hub.fetched("model.safetensors") == ["bytes=700000-"]


def test_all_bytes_of_an_earlier_try_need_no_request(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    blobs(cache).mkdir(parents=True)
    (blobs(cache) / f"{BLOB}.incomplete").write_bytes(WEIGHTS)
    assert content(Download("org/one").run().folder) == MODEL
    assert hub.fetched("model.safetensors") == []


@pytest.mark.parametrize("left", [b"x" * 700_000, b"x" * SIZE, b"x" * (SIZE + 1)])
def test_wrong_bytes_of_an_earlier_try_are_fetched_anew(
    hub: PlayedHub, cache: Path, left: bytes
) -> None:
    hub.add_model("org/one", MODEL)
    blobs(cache).mkdir(parents=True)
    (blobs(cache) / f"{BLOB}.incomplete").write_bytes(left)
    assert content(Download("org/one").run().folder) == MODEL
    assert hub.fetched("model.safetensors")[-1] is None


def test_a_hub_that_knows_no_ranges_sends_all(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    hub.faults.ignore_range("model.safetensors")
    blobs(cache).mkdir(parents=True)
    (blobs(cache) / f"{BLOB}.incomplete").write_bytes(WEIGHTS[:700_000])
    assert content(Download("org/one").run().folder) == MODEL


def test_another_part_than_was_asked_for_is_not_taken(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    hub.faults.shift_range("model.safetensors")
    blobs(cache).mkdir(parents=True)
    (blobs(cache) / f"{BLOB}.incomplete").write_bytes(WEIGHTS[:700_000])
    assert content(Download("org/one").run().folder) == MODEL
    assert hub.fetched("model.safetensors") == ["bytes=700000-", None]


def _shorten(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def _change(file: Path) -> None:
    file.write_bytes(b"x" + file.read_bytes()[1:])


@pytest.mark.parametrize("harm", [_shorten, _change, Path.unlink])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_downloading_again_mends_what_is_damaged(
    hub: PlayedHub, cache: Path, harm: Callable[[Path], None], name: str
) -> None:
    hub.add_model("org/one", MODEL)
    folder = Download("org/one").run().folder
    harm((folder / name).resolve())
    Download("org/one").run()
    assert content(folder) == MODEL
    assert [len(hub.fetched(file)) for file in MODEL] == [1 + (file == name) for file in MODEL]


def test_a_link_to_another_file_is_mended(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    folder = Download("org/one").run().folder
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to((folder / "tokenizer.json").resolve())
    Download("org/one").run()
    assert content(folder) == MODEL


def test_where_links_do_not_work_the_files_are_in_their_place(
    hub: PlayedHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    hub.add_model("org/one", MODEL)
    folder = Download("org/one").run().folder
    assert not any(path.is_symlink() for path in folder.iterdir())
    assert content(folder) == MODEL
    # The hub's own client leaves no blobs behind there.
    for blob in blobs(cache).iterdir():
        blob.unlink()
    assert content(Download("org/one").run().folder) == MODEL
    assert len(hub.fetched("model.safetensors")) == 1


def _told(model_id: str = "org/one") -> list[Progress]:
    told: list[Progress] = []
    Download(model_id).run(told.append)
    return told


def test_progress_never_goes_back_and_ends_with_all(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    # Once ended early, and once damaged, so that it has to begin anew.
    hub.faults.truncate("model.safetensors", at=800_000)
    hub.faults.damage("model.safetensors", times=2)
    told = _told()
    for before, after in itertools.pairwise(told):
        assert before.fraction <= after.fraction
        assert before.done_bytes <= after.done_bytes
        assert before.done_files <= after.done_files
    assert all(progress.fraction < 1.0 for progress in told[:-1])
    assert all(progress.total_files == len(MODEL) for progress in told)
    last = told[-1]
    assert (last.stage, last.fraction) == (DownloadStage.COMPLETED, 1.0)
    assert (last.done_files, last.done_bytes) == (len(MODEL), last.total_bytes)
    assert "model.safetensors" in {progress.current_file for progress in told}


def test_a_hundred_percent_come_when_the_reference_is_there(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    reference = cache / "models--org--one" / "refs" / "main"
    there: list[tuple[bool, bool]] = []
    Download("org/one").run(
        lambda progress: there.append(
            (progress.stage is DownloadStage.COMPLETED, reference.exists())
        )
    )
    assert all(is_last == exists for is_last, exists in there)


def test_what_is_here_is_told_as_verifying(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    _told()
    stages = [progress.stage for progress in _told()]
    assert set(stages[:-1]) == {DownloadStage.VERIFYING}


@pytest.fixture
def held(hub: PlayedHub, cache: Path) -> Hold:
    """Return where the model's weights stop coming."""
    hub.add_model("org/one", MODEL)
    return hub.faults.hold("model.safetensors", at=500_000)


def test_cancelling_wakes_it_and_keeps_what_has_come(
    hub: PlayedHub, cache: Path, held: Hold
) -> None:
    download = Download("org/one")
    raised: list[BaseException] = []

    def run() -> None:
        try:
            download.run()
        except DownloadCancelled as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert held.reached.wait(30)
    download.cancel()
    thread.join(30)
    assert not thread.is_alive()
    assert len(raised) == 1
    partial = blobs(cache) / f"{BLOB}.incomplete"
    left = partial.stat().st_size
    assert WEIGHTS.startswith(partial.read_bytes())
    assert not list_models()[0].is_complete
    assert content(Download("org/one").run().folder) == MODEL
    assert hub.fetched("model.safetensors")[1:] == [f"bytes={left}-" if left else None]


def test_what_is_cancelled_before_it_runs_does_nothing(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    download = Download("org/one")
    download.cancel()
    with pytest.raises(DownloadCancelled):
        download.run()
    assert hub.requests == []
    assert list(cache.iterdir()) == []


def test_two_downloads_of_one_model_fetch_it_once(hub: PlayedHub, cache: Path, held: Hold) -> None:
    folders: list[Path] = []
    threads = [
        threading.Thread(target=lambda: folders.append(Download("org/one").run().folder))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    assert held.reached.wait(30)
    held.release.set()
    for thread in threads:
        thread.join(60)
    assert len(folders) == 2
    assert content(folders[0]) == MODEL
    assert len(hub.fetched("model.safetensors")) == 1


def test_the_bytes_on_the_disk_are_those_of_the_hub(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    Download("org/one").run()
    assert hashlib.sha256((blobs(cache) / BLOB).read_bytes()).hexdigest() == BLOB
