"""What goes wrong with the hub: an error of its own each, tried again where that may help."""

import errno
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock
from huggingface_hub import constants

from bodega import limits
from bodega.errors import (
    BodegaError,
    CacheLocked,
    CacheUnwritable,
    DownloadDamaged,
    DownloadTruncated,
    GatedModel,
    HubFailed,
    HubOffline,
    HubRateLimited,
    HubTokenRefused,
    HubUnreachable,
    InsufficientDisk,
    InvalidModel,
    InvalidRequest,
    ModelInUse,
    NoSafetensors,
    RepositoryNotFound,
)
from bodega.hub.cached_repository import CachedRepository
from bodega.hub.catalog import list_models
from bodega.hub.client import HubClient
from bodega.hub.download import Download
from bodega.hub.manifest import RepositoryFile
from bodega.hub.partial import PartialFile
from tests.hub.models import CONFIG, MODEL, SMALL, WEIGHTS
from tests.hub.played_hub import PlayedHub, etag

TOKEN = "hf_secret"
BLOB = etag("model.safetensors", WEIGHTS)


def failure(kind: type[BodegaError], model_id: str = "org/one", revision: str = "main") -> str:
    """Run a download that has to fail, and return the message."""
    with pytest.raises(kind) as caught:
        Download(model_id, revision=revision).run()
    assert type(caught.value) is kind
    assert TOKEN not in caught.value.message
    return caught.value.message


def nothing_is_there(cache: Path) -> bool:
    """Whether the cache has no trace of any model."""
    return list_models() == [] and not list(cache.glob("models--*"))


def test_a_model_that_the_hub_has_not(hub: PlayedHub, cache: Path) -> None:
    message = failure(RepositoryNotFound)
    assert "'org/one'" in message
    assert "HF_TOKEN" in message
    assert nothing_is_there(cache)


def test_a_revision_that_it_has_not(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    assert "revision 'next'" in failure(RepositoryNotFound, revision="next")
    assert nothing_is_there(cache)


def test_a_private_model_comes_with_the_token(
    hub: PlayedHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_model("org/one", MODEL, private=True)
    failure(RepositoryNotFound)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    Download("org/one").run()


def test_a_gated_model_names_its_page_and_the_token(
    hub: PlayedHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_model("org/one", MODEL, gated=True)
    message = failure(GatedModel)
    assert f"{hub.url}/org/one" in message
    assert "HF_TOKEN" in message
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    failure(GatedModel)
    assert nothing_is_there(cache)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    Download("org/one").run()


def test_a_token_that_is_wrong(
    hub: PlayedHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.faults.fail("/api/models", status=403)
    assert "HF_TOKEN" in failure(HubTokenRefused)
    failure(HubTokenRefused)


def test_the_token_goes_to_the_hub_alone(
    hub: PlayedHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_model("org/one", MODEL)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    Download("org/one").run()
    elsewhere = [request for request in hub.requests if request.at_files]
    assert elsewhere
    assert {request.token for request in elsewhere} == {None}
    at_hub = {request.token for request in hub.requests if not request.at_files}
    assert at_hub == {f"Bearer {TOKEN}"}


def test_an_operator_can_keep_the_hub_from_being_asked(
    hub: PlayedHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in failure(HubOffline)
    assert hub.requests == []


def test_a_hub_that_is_not_there(
    hub: PlayedHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(
            constants, "ENDPOINT", f"http://user:{TOKEN}@127.0.0.1:{taken.getsockname()[1]}"
        )
        message = failure(HubUnreachable)
    assert "127.0.0.1" in message
    assert "HF_ENDPOINT" in message


def test_a_hub_that_falls_silent(
    hub: PlayedHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_model("org/one", MODEL)
    monkeypatch.setattr(limits, "HUB_SILENCE_S", 1.0)
    held = hub.faults.hold("model.safetensors", at=500_000)
    # It is asked again, from where it stopped.
    Download("org/one").run()
    held.release.set()
    assert hub.fetched("model.safetensors")[-1] == "bytes=500000-"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_hub_that_fails_is_asked_again(hub: PlayedHub, cache: Path, status: int) -> None:
    hub.add_model("org/one", MODEL)
    hub.faults.fail("/api/models", times=3, status=status)
    hub.faults.fail("model.safetensors", times=3, status=status)
    Download("org/one").run()


def test_a_hub_that_goes_on_failing_is_told(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    hub.faults.fail("/api/models", times=99, status=503)
    assert "status 503" in failure(HubFailed)
    assert len(hub.requests) == limits.HUB_TRIES
    assert nothing_is_there(cache)


def test_another_answer_is_told_at_once(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    hub.faults.fail("/api/models", times=99, status=418)
    assert "status 418" in failure(HubFailed)
    assert len(hub.requests) == 1


def test_a_short_limit_of_its_rate_is_waited_for(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    hub.faults.fail("/api/models", times=1, status=429, retry_after="1")
    hub.faults.fail("model.safetensors", times=2, status=429, retry_after="0")
    hub.faults.fail("config.json", times=2, status=429)
    Download("org/one").run()


@pytest.mark.parametrize("part", ["/api/models", "model.safetensors"])
def test_a_long_limit_of_its_rate_is_told_at_once(hub: PlayedHub, cache: Path, part: str) -> None:
    hub.add_model("org/one", MODEL)
    hub.faults.fail(part, status=429, retry_after="120")
    with pytest.raises(HubRateLimited, match="in 120 s") as caught:
        Download("org/one").run()
    assert caught.value.retry_after_s == 120.0


def test_a_date_may_say_how_long_the_limit_lasts(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    hub.faults.fail("/api/models", status=429, retry_after="Wed, 21 Oct 2099 07:28:00 GMT")
    failure(HubRateLimited)


def test_a_file_that_ends_early_is_gone_on_with(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    hub.faults.truncate("model.safetensors", at=600_000, times=2)
    folder = Download("org/one").run().folder
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.fetched("model.safetensors") == [None, "bytes=600000-", "bytes=600000-"]


def test_a_file_that_goes_on_ending_early_is_told_and_kept(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    hub.faults.truncate("model.safetensors", at=600_000, times=99)
    message = failure(DownloadTruncated)
    assert "600000 of 1000000 bytes" in message
    (model,) = list_models()
    assert not model.is_complete
    assert 59.0 < model.percent < 61.0
    hub.faults.truncate("model.safetensors", at=0, times=0)
    Download("org/one").run()
    assert hub.fetched("model.safetensors")[-1] == "bytes=600000-"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_damaged_file_is_fetched_once_more(hub: PlayedHub, cache: Path, name: str) -> None:
    hub.add_model("org/one", MODEL)
    hub.faults.damage(name)
    folder = Download("org/one").run().folder
    assert (folder / name).read_bytes() == MODEL[name]
    assert hub.fetched(name) == [None, None]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_that_stays_damaged_is_never_there(hub: PlayedHub, cache: Path, name: str) -> None:
    hub.add_model("org/one", MODEL)
    hub.faults.damage(name, times=99)
    assert repr(name) in failure(DownloadDamaged)
    (model,) = list_models()
    assert not model.is_complete
    assert not list((cache / "models--org--one" / "snapshots").glob(f"*/{name}"))
    assert not list((cache / "models--org--one" / "blobs").glob(f"{etag(name, MODEL[name])}*"))


@pytest.mark.parametrize(
    "files",
    [
        {"config.json": CONFIG, "pytorch_model.bin": b"pickle"},
        {"config.json": CONFIG, "model.gguf": b"GGUF"},
        {"config.json": CONFIG, "weights.npz": b"zip"},
        {"config.json": b"not JSON", "weights.npz": b"zip"},
        {"config.json": CONFIG, "original/model.safetensors": b"w"},
        {"README.md": b"# Nothing"},
    ],
)
def test_a_model_without_weights_of_use_is_refused_before_a_byte(
    hub: PlayedHub, cache: Path, files: Mapping[str, bytes]
) -> None:
    hub.add_model("org/one", files)
    message = failure(NoSafetensors)
    assert "safetensors" in message
    assert nothing_is_there(cache)


@pytest.mark.parametrize(
    ("index", "told"),
    [
        (b'{"weight_map": {"a": "model-1.safetensors"}}', "does not have: model-1.safetensors"),
        (b"{}", "damaged"),
        (b'{"weight_map": {"a": "../../../etc/passwd"}}', "damaged"),
    ],
)
def test_an_index_that_is_wrong_is_refused_before_a_byte(
    hub: PlayedHub, cache: Path, index: bytes, told: str
) -> None:
    hub.add_model("org/one", {**MODEL, "model.safetensors.index.json": index})
    assert told in failure(InvalidModel)
    assert nothing_is_there(cache)


@pytest.mark.parametrize(
    "name",
    ["../../escaped.json", "/tmp/escaped.json", "a/../../b.json", "a\\b.json", "C:x.json", "a//b"],
)
def test_a_name_that_leads_out_of_the_folder_is_refused_before_a_byte(
    hub: PlayedHub, cache: Path, name: str
) -> None:
    hub.add_model("org/one", {**MODEL, name: b"{}"})
    assert "outside" in failure(InvalidModel)
    assert nothing_is_there(cache)


@pytest.mark.parametrize(
    "model_id", ["../../x", "/etc", "a/b/c", "org/..", "org--name", "a\0b", "", "org/name.git"]
)
def test_what_can_be_no_id_is_never_asked_for(model_id: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Download(model_id)
    assert caught.value.param == "model_path"


@pytest.mark.parametrize("revision", ["", "../main", "a/../b", "/etc", "a\0", "-x", "a b", "a//b"])
def test_what_can_be_no_revision_is_never_asked_for(revision: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Download("org/one", revision=revision)
    assert caught.value.param == "revision"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b'{"sha": "x", "siblings": []}',
        b'{"sha": "' + b"a" * 40 + b'", "siblings": [{"rfilename": "config.json"}]}',
        b'{"sha": "' + b"a" * 40 + b'", "siblings": [{"rfilename": "a", "size": -1,'
        b' "blobId": "' + b"b" * 40 + b'"}]}',
        b'{"sha": "' + b"a" * 40 + b'", "siblings": [{"rfilename": "a", "size": 1,'
        b' "blobId": "../../x"}]}',
    ],
)
def test_an_answer_that_tells_no_files_is_the_hubs_fault(
    cache: Path, hub: PlayedHub, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(HubClient, "_tell", lambda *_: answer)
    failure(HubFailed)
    assert nothing_is_there(cache)


def test_too_little_disk_is_told_with_both_figures_before_a_byte(
    hub: PlayedHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_model("org/one", MODEL)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=12_345))
    needed = limits.DISK_RESERVE_BYTES + sum(map(len, MODEL.values()))
    message = failure(InsufficientDisk)
    assert str(needed) in message
    assert "12345" in message
    assert nothing_is_there(cache)


def test_a_disk_that_fills_up_meanwhile_is_told_and_what_has_come_kept(
    hub: PlayedHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_model("org/one", MODEL)
    write = PartialFile.write

    def fill(partial: PartialFile, chunk: bytes) -> None:
        if partial.size_bytes > 300_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(partial, chunk)

    with monkeypatch.context() as full:
        full.setattr(PartialFile, "write", fill)
        assert "are free" in failure(InsufficientDisk)
    assert not list_models()[0].is_complete
    Download("org/one").run()
    assert str(hub.fetched("model.safetensors")[1]).startswith("bytes=3")


def test_a_cache_that_cannot_be_written_is_told(
    hub: PlayedHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_model("org/one", MODEL)
    (cache / "models--org--one").write_text("a file where the folder should be")
    assert "HF_HOME" in failure(CacheUnwritable)


@pytest.fixture
def lock(cache: Path) -> Iterator[str]:
    """Hold the lock of the model's weights, as another process would."""
    path = cache / ".locks" / "models--org--one" / f"{BLOB}.lock"
    path.parent.mkdir(parents=True)
    with FileLock(path):
        yield f".locks/models--org--one/{BLOB}.lock"


def test_a_lock_that_nobody_gives_back_is_named(
    hub: PlayedHub, cache: Path, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    monkeypatch.setattr(limits, "LOCK_SILENCE_S", 0.0)
    hub.add_model("org/one", MODEL)
    assert lock in failure(CacheLocked)


def test_a_lock_file_of_a_dead_process_holds_nobody_up(hub: PlayedHub, cache: Path) -> None:
    path = cache / ".locks" / "models--org--one" / f"{BLOB}.lock"
    path.parent.mkdir(parents=True)
    path.touch()
    hub.add_model("org/one", MODEL)
    Download("org/one").run()


def test_what_is_being_deleted_is_not_downloaded(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    with CachedRepository("org/one").not_in_use():
        failure(ModelInUse)


def test_one_file_that_fails_ends_the_others(
    hub: PlayedHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_model("org/one", MODEL)
    held = hub.faults.hold("model.safetensors", at=500_000)
    opened = threading.Event()
    refuse = HubClient.open

    def fail(client: HubClient, file: RepositoryFile, commit: str, *, begin: int) -> object:
        if file.name == "config.json":
            assert held.reached.wait(30)
            opened.set()
            raise HubFailed("fails", is_passing=False)
        return refuse(client, file, commit, begin=begin)

    monkeypatch.setattr(HubClient, "open", fail)
    failure(HubFailed)
    assert opened.is_set()
    assert not held.release.is_set()


def test_small_models_are_of_texts_too(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", {**SMALL, "model.safetensors": b""})
    assert (Download("org/one").run().folder / "model.safetensors").read_bytes() == b""
