"""The core computes with the tuned BLAS that the machine has, or says how to get one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bodega import platform
from bodega.platform import Blas
from bodega.supervisor.announce import Announcer

TELL_BLAS = """
import os
from bodega import platform
platform.preload_blas()
blas = platform.loaded_blas()
print(blas and blas.name, os.getpid(), os.environ.get("LD_PRELOAD"))
import mlx.core as mx
mx.set_default_device(mx.cpu)
print(mx.all(mx.ones((64, 64)) @ mx.ones((64, 64)) == 64).item())
"""

needs_cpu = pytest.mark.skipif(not platform.needs_blas(), reason="MLX is not on a Linux CPU here")


@pytest.fixture(scope="module")
def fast_blas() -> Blas:
    """Return this machine's tuned BLAS."""
    blas = platform.find_fast_blas()
    if blas is None:
        pytest.skip(f"no tuned BLAS on this machine: {platform.blas_hint()}")
    return blas


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start a process that preloads as the core does, and says what it has."""
    inherited = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    return subprocess.Popen(
        [sys.executable, "-c", TELL_BLAS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**inherited, **environment},
    )


@needs_cpu
def test_the_tuned_blas_is_mapped_in_the_same_process_and_not_inherited(fast_blas: Blas) -> None:
    process = start({})
    out, _ = process.communicate()
    assert out.splitlines() == [f"{fast_blas.name} {process.pid} None", "True"]


@needs_cpu
def test_off_leaves_mlx_its_own_blas() -> None:
    out, _ = start({"BODEGA_BLAS": "off"}).communicate()
    assert out.startswith("None ")


@needs_cpu
def test_the_operator_may_name_a_library(fast_blas: Blas) -> None:
    out, _ = start({"BODEGA_BLAS": str(fast_blas.path)}).communicate()
    assert out.startswith(f"{fast_blas.name} ")


@needs_cpu
@pytest.mark.parametrize("choice", ["relative.so", "/nowhere/libopenblas.so", sys.executable])
def test_a_library_that_is_none_is_told(choice: str) -> None:
    process = start({"BODEGA_BLAS": choice})
    _, err = process.communicate()
    assert process.returncode == 1
    assert f"BODEGA_BLAS: '{choice}' is neither 'off' nor the full path" in err


@needs_cpu
def test_a_preload_of_the_operators_own_is_kept(fast_blas: Blas) -> None:
    environment = platform.blas_environment(fast_blas, {"LD_PRELOAD": "/other.so"})
    assert environment["LD_PRELOAD"] == f"{fast_blas.path}:/other.so"


def test_a_library_whose_path_ld_preload_cannot_hold_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, fast_blas: Blas, tmp_path: Path
) -> None:
    lib = tmp_path / "my env" / "lib"
    lib.mkdir(parents=True)
    (lib / "libopenblas.so.0").symlink_to(fast_blas.path.resolve())
    monkeypatch.setattr(sys, "prefix", str(lib.parent))
    found = platform.find_fast_blas()
    assert found is not None
    assert not found.path.is_relative_to(tmp_path)


def test_a_library_of_the_python_environment_goes_before_the_systems(
    monkeypatch: pytest.MonkeyPatch, fast_blas: Blas, tmp_path: Path
) -> None:
    (tmp_path / "lib").mkdir()
    library = tmp_path / "lib" / "libopenblas.so.0"
    library.symlink_to(fast_blas.path.resolve())
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert platform.find_fast_blas() == Blas(name="OpenBLAS", path=library)


@pytest.mark.parametrize("name", ["libopenblas64.so.0", "libblas.so.3", "libopenblas64p.so"])
def test_libraries_with_64_bit_integers_or_reference_code_are_not_taken(
    monkeypatch: pytest.MonkeyPatch, fast_blas: Blas, tmp_path: Path, name: str
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / name).symlink_to(fast_blas.path.resolve())
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    found = platform.find_fast_blas()
    assert found is not None
    assert not found.path.is_relative_to(tmp_path)


def test_without_a_tuned_blas_the_start_lines_tell_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "mlx_device", lambda: "cpu")
    Announcer(log_format="text").listening(
        core={"grpc": "localhost:2", "port": 2, "blas": None},
        gateway={"http": "http://localhost:1", "port": 1},
    )
    assert (
        f"slow BLAS; for one many times as fast: {platform.blas_hint()}" in capsys.readouterr().err
    )


def test_the_hint_names_what_this_system_installs_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "_has_command", lambda name: name == "dnf")
    assert platform.blas_hint().startswith("dnf install openblas")


@needs_cpu
def test_idle_threads_of_the_library_sleep_unless_the_operator_says_otherwise(
    fast_blas: Blas,
) -> None:
    environment = platform.blas_environment(fast_blas, {})
    assert environment["OPENBLAS_THREAD_TIMEOUT"] == "8"
    environment = platform.blas_environment(fast_blas, {"OPENBLAS_THREAD_TIMEOUT": "26"})
    assert environment["OPENBLAS_THREAD_TIMEOUT"] == "26"
