"""A process that is killed while it downloads costs the rest of the files, and nothing else."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bodega import limits
from bodega.errors import InvalidModel
from bodega.hub.catalog import find_model, list_models
from bodega.hub.download import Download
from tests.hub.models import MODEL, WEIGHTS
from tests.hub.played_hub import PlayedHub, etag

ROOT = Path(__file__).parents[2]
PROGRAM = "from bodega.hub.download import Download; Download('org/one').run()"
BLOB = etag("model.safetensors", WEIGHTS)
LOOK_S = 0.01
WAIT_S = 60.0


def kill_at(hub: PlayedHub, cache: Path, at: int) -> None:
    """Run a process that downloads, and kill it when these bytes of the weights are here."""
    held = hub.faults.hold("model.safetensors", at=at)
    partial = cache / "models--org--one" / "blobs" / f"{BLOB}.incomplete"
    variables = {**os.environ, **hub.environment(cache.parent)}
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=ROOT, env=variables)
    try:
        assert held.reached.wait(WAIT_S)
        end = time.monotonic() + WAIT_S
        while partial.stat().st_size < at:
            assert time.monotonic() < end
            threading.Event().wait(LOOK_S)
    finally:
        process.kill()
        assert process.wait() == -signal.SIGKILL
    held.release.set()


@pytest.mark.parametrize("percent", [10, 50, 99])
def test_a_download_goes_on_from_the_bytes_of_a_killed_one(
    hub: PlayedHub, cache: Path, percent: int
) -> None:
    at = len(WEIGHTS) * percent // 100
    hub.add_model("org/one", MODEL)
    kill_at(hub, cache, at)
    (model,) = list_models()
    assert not model.is_complete
    assert abs(model.percent - percent) < 1.0
    with pytest.raises(InvalidModel, match="bodega pull org/one"):
        find_model("org/one")
    folder = Download("org/one").run().folder
    assert hub.fetched("model.safetensors") == [None, f"bytes={at}-"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == MODEL
    assert list_models()[0].is_complete
    assert not list((cache / "models--org--one" / "blobs").glob("*.incomplete"))


def test_weights_of_several_files_are_never_taken_for_whole_while_one_is_missing(
    hub: PlayedHub, cache: Path
) -> None:
    # No index tells how many there are; the last one was not even begun.
    more = {f"model-{number}.safetensors": b"w" * number for number in range(1, 6)}
    hub.add_model("org/one", {**MODEL, **more})
    kill_at(hub, cache, 1000)
    assert not list_models()[0].is_complete
    with pytest.raises(InvalidModel):
        find_model("org/one")
    Download("org/one").run()
    assert list_models()[0].is_complete


def test_unfinished_files_that_nobody_holds_are_removed_when_they_are_old(
    hub: PlayedHub, cache: Path
) -> None:
    hub.add_model("org/one", MODEL)
    blobs = cache / "models--org--one" / "blobs"
    blobs.mkdir(parents=True)
    old, new = blobs / f"{BLOB}.1a2b3c4d.incomplete", blobs / f"{BLOB}.5e6f7a8b.incomplete"
    other = blobs / f"{'e' * 40}.incomplete"
    for path in (old, new, other):
        path.write_bytes(b"x")
    begun = time.time() - limits.ORPHAN_S - 60
    for path in (old, other):
        os.utime(path, (begun, begun))
    Download("org/one").run()
    assert not old.exists()
    assert not other.exists()
    assert new.exists()
    assert list_models()[0].is_complete
