"""What `make dist` builds, installed into an empty environment and run away from the tree."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.end_to_end.browser import executable, open_page
from tests.end_to_end.server import Server
from tests.end_to_end.test_docs import STATE
from tests.models import TINY_CHAT, TRANSCRIPTS
from tests.process.in_place import in_place
from tests.process.program import program

ROOT = Path(__file__).parents[2]
HELLO = next(one for one in TRANSCRIPTS if one.name == "hello")
# Nothing of this environment may be found but what the test points at.
APART = {"PYTHONPATH": "", "PYTHONHOME": "", "VIRTUAL_ENV": ""}


def run(*command: str | Path, folder: Path) -> str:
    """Run a program in a folder and return what it prints."""
    environment = {**os.environ, **APART}
    done = subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from the unpacked source archive as an installer builds it."""
    folder = tmp_path_factory.mktemp("built")
    build = (sys.executable, "-m", "hatchling", "build", "-d", str(folder))
    run(*build, "-t", "sdist", folder=ROOT)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    run(*build, "-t", "wheel", folder=folder / archive.name.removesuffix(".tar.gz"))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the programs of an environment that has the wheel.

    What the wheel depends on is found where this interpreter has it, but nothing that lies
    in the tree: a line in a .pth file does not bring the .pth files of the folder it names.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    run(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder)
    interpreter = folder / "bin" / "python"
    install = ("install", "--quiet", "--no-index", "--no-deps", "--no-compile", str(wheel))
    run(sys.executable, "-m", "pip", "--python", interpreter, *install, folder=folder)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(run(interpreter, "-c", ask, folder=folder).strip())
    theirs = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (own / "dependencies.pth").write_text("\n".join(theirs))
    return interpreter.parent


def test_it_holds_what_it_needs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bodega", "bodega_api"}
    assert "bodega/third_party/swagger_ui/LICENSE" in names
    assert not [name for name in names if "test" in name.lower()]


def test_it_tells_its_version(wheel: Path, installed: Path, tmp_path: Path) -> None:
    told = run(installed / "bodega", "--version", folder=tmp_path).split()
    assert told == ["bodega", wheel.name.split("-")[1]]


def trap(folder: Path) -> Path:
    """Return a folder in which a package stands that must not take the place of our own."""
    package = folder / "trap" / "bodega"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('the current folder was imported')")
    return package.parent


async def test_it_serves_away_from_the_tree(installed: Path, tmp_path: Path) -> None:
    found = run(
        *(installed / "python", "-P", "-c"),
        "import bodega, bodega_api; print(bodega.__file__, bodega_api.__file__)",
        folder=tmp_path,
    )
    assert all(path.startswith(str(installed.parent)) for path in found.split())
    arguments = ("serve", "--port", "0", "--grpc-port", "0", "--log-format", "json")
    model = ("--model", str(TINY_CHAT))
    serve = (installed / "bodega", *arguments, *model)
    command = in_place("sh", "-c", 'cd "$0" && exec "$@"', trap(tmp_path), *serve)
    homes = {"BODEGA_HOME": str(tmp_path / "bodega"), "HF_HOME": str(tmp_path / "huggingface")}
    with program(command, {**APART, **homes}) as running:
        server = Server(running)
        server.wait_loaded()
        assert server.get("/health").status_code == 200
        answer = server.chat(messages=list(HELLO.messages)).json()
        assert answer["choices"][0]["message"]["content"] == HELLO.answer
        assert json.loads(server.get("/openapi.json").content)["openapi"]
        for path in ("/docs", "/docs/page.js", "/docs/swagger-ui-bundle.js"):
            assert server.get(path).status_code == 200
        if (browser := executable()) is not None:
            async with open_page(browser, tmp_path / "browser") as page:
                await page.open(f"{server.http}/docs")
                assert await page.until(STATE) == "shown"
        assert server.stop() == 0
