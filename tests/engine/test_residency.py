"""Loads that fail, end with the server, or whose files go, leave everything else in order."""

import asyncio
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from bodega.backends.base import Piece, Sampling
from bodega.config import LoadParameters
from bodega.engine.engine import Engine
from bodega.engine.request import Finish, Generation
from bodega.errors import LoadFailed, ModelInUse, ModelTooLarge, ModelUnloaded, ShuttingDown
from bodega.services import residency as module
from bodega.services.downloads import Downloads
from bodega.services.health import HealthService
from bodega.services.imports import Imports
from bodega.services.library import Library
from bodega.services.load import LoadStage
from bodega.services.models import ModelsService
from bodega.services.residency import ModelState, Residency
from bodega.services.state_file import StateFile
from bodega.services.uses import Uses
from tests.engine.reader import reader
from tests.engine.scripted import ScriptedModel


class ScriptedLoading:
    """A model on its way into memory, which it may never reach.

    Attributes:
        ends: whether reading comes to an end.
        fails: whether it raises there.
        discarded: whether the memory was given back.
        reads: how often it was read.
    """

    def __init__(self) -> None:
        self.ends = True
        self.fails = False
        self.discarded = False
        self.too_large = False
        self.reads = 0
        self.model = ScriptedModel()
        self._loop = asyncio.get_running_loop()
        self.begun = asyncio.Event()

    def check_memory(self, *, freed_bytes: int) -> None:
        if self.too_large:
            raise ModelTooLarge(needed_bytes=2, available_bytes=1 + freed_bytes)

    def build(self) -> Generator[Piece, None, None]:
        yield Piece(1.0)

    def read(self) -> Generator[Piece, None, ScriptedModel]:
        yield Piece(1.0)
        self._loop.call_soon_threadsafe(self.begun.set)
        while not self.ends:
            yield Piece(1.0)
        if self.fails:
            raise RuntimeError
        self.reads += 1
        yield Piece(1.0, 0.5)
        self.model = ScriptedModel()
        return self.model

    def discard(self) -> None:
        self.discarded = True


@pytest.fixture
async def loading(monkeypatch: pytest.MonkeyPatch) -> ScriptedLoading:
    scripted = ScriptedLoading()
    monkeypatch.setattr(module, "prepare_text_model", lambda folder, parameters: scripted)
    return scripted


@pytest.fixture
def uses() -> Uses:
    return Uses()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def residency(engine: Engine, loading: ScriptedLoading, uses: Uses, home: Path) -> Residency:
    imports = Imports(engine, uses, home)
    library = Library(imports, Downloads(uses, allow_remote_code=False), home)
    return Residency(engine, library, uses, StateFile(None), allow_remote_code=False)


@pytest.fixture
def parameters(tmp_path: Path) -> LoadParameters:
    folder = tmp_path / "a-model"
    folder.mkdir()
    return LoadParameters(model_path=str(folder))


async def test_a_load_does_not_hold_up_the_servers_end(
    residency: Residency, loading: ScriptedLoading, parameters: LoadParameters
) -> None:
    loading.ends = False
    load = asyncio.create_task(residency.load(parameters))
    await loading.begun.wait()
    async with asyncio.timeout(60):
        await residency.close(drain_s=1)
        with pytest.raises(ShuttingDown):
            await load
    assert residency.current is None


async def test_a_caller_that_leaves_does_not_end_its_load(
    residency: Residency, loading: ScriptedLoading, parameters: LoadParameters
) -> None:
    loading.ends = False
    load = asyncio.create_task(residency.load(parameters))
    await loading.begun.wait()
    load.cancel()
    with pytest.raises(asyncio.CancelledError):
        await load
    initialized = asyncio.Event()
    residency.on_change = initialized.set
    loading.ends = True
    await initialized.wait()
    assert residency.state is ModelState.INITIALIZED


async def test_a_load_that_fails_gives_the_memory_back_and_another_may_follow(
    residency: Residency, loading: ScriptedLoading, parameters: LoadParameters
) -> None:
    loading.fails = True
    with pytest.raises(LoadFailed) as raised:
        await residency.load(parameters)
    assert raised.value.__cause__ is raised.value.__context__ is None
    assert loading.discarded
    assert residency.state is ModelState.UNINITIALIZED
    loading.fails = False
    assert (await residency.load(parameters)).model_id == "a-model"


async def test_a_server_that_ends_is_not_healthy(
    engine: Engine, residency: Residency, parameters: LoadParameters
) -> None:
    health = HealthService(engine, residency)
    seen = [health.now().can_answer]
    await residency.load(parameters)
    seen.append(health.now().can_answer)
    await residency.close(drain_s=1)
    seen.append(health.now().can_answer)
    assert seen == [False, True, False]


async def test_a_model_whose_folder_was_deleted_is_listed_still(
    residency: Residency,
    parameters: LoadParameters,
    uses: Uses,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    await residency.load(parameters)
    await asyncio.to_thread(Path(parameters.model_path).rmdir)
    (known,) = await ModelsService(residency, uses, home).list()
    assert (known.model.id, known.is_loaded, known.model.size_bytes) == ("a-model", True, 0)


async def test_the_same_load_at_the_same_time_happens_once(
    residency: Residency, loading: ScriptedLoading, parameters: LoadParameters
) -> None:
    loads = [residency.load(parameters) for _ in range(3)]
    first, *others = await asyncio.gather(*loads)
    assert others == [first, first]
    assert loading.reads == 1
    await residency.load(parameters)
    assert loading.reads == 2


async def test_a_load_tells_how_far_it_is(
    residency: Residency, loading: ScriptedLoading, parameters: LoadParameters
) -> None:
    loading.ends = False
    load = residency.begin_load(parameters)
    follow = load.progress.follow()
    assert (await anext(follow)).stage is LoadStage.RESOLVING
    await loading.begun.wait()
    assert (await anext(follow)).stage is LoadStage.READING
    loading.ends = True
    last = [progress async for progress in follow][-1]
    assert (last.stage, last.fraction) == (LoadStage.READY, 1.0)


async def test_what_does_not_fit_leaves_the_loaded_model_alone(
    residency: Residency, loading: ScriptedLoading, parameters: LoadParameters
) -> None:
    loaded = await residency.load(parameters)
    loading.too_large = True
    with pytest.raises(ModelTooLarge, match="2 bytes"):
        await residency.load(parameters)
    assert residency.resolve("current") is loaded


async def test_the_files_of_a_model_are_in_use_from_its_load_to_its_unload(
    residency: Residency, loading: ScriptedLoading, uses: Uses, parameters: LoadParameters
) -> None:
    folder = Path(parameters.model_path)

    def is_used() -> bool:
        try:
            with uses.none_of(folder):
                return False
        except ModelInUse:
            return True

    loading.ends = False
    load = asyncio.create_task(residency.load(parameters))
    await loading.begun.wait()
    assert is_used()
    loading.ends = True
    await load
    assert is_used()
    await residency.load(parameters)
    assert is_used()
    await residency.unload()
    assert not is_used()
    loading.fails = True
    with pytest.raises(LoadFailed):
        await residency.load(parameters)
    assert not is_used()


async def test_an_unload_that_aborts_ends_running_answers_at_once(
    residency: Residency, loading: ScriptedLoading, parameters: LoadParameters
) -> None:
    loaded = await residency.load(parameters)
    loading.model.step_s = 0.001
    asked = Generation(prompt=[1], sampling=Sampling(), max_tokens=10**9)
    stream = reader(loaded.resident, asked)
    await anext(stream)
    assert await residency.unload(abort=True) == "a-model"
    with pytest.raises(ModelUnloaded):
        async for _ in stream:
            pass


async def test_a_model_that_nobody_asks_anything_is_unloaded(
    residency: Residency, loading: ScriptedLoading, parameters: LoadParameters
) -> None:
    changed = asyncio.Event()
    residency.on_change = changed.set
    loaded = await residency.load(replace(parameters, keep_alive_s=1))
    loading.model.hold_at = "decode"
    asked = Generation(prompt=[1], sampling=Sampling(), max_tokens=5)
    stream = reader(loaded.resident, asked)
    await anext(stream)
    # An answer takes as long as it takes.
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await loaded.resident.until_idle()
    assert residency.current is loaded
    loading.model.gate.set()
    finishes = [delta.finish async for delta in stream]
    assert finishes[-1] is Finish.LENGTH
    while residency.state is not ModelState.UNINITIALIZED:
        changed.clear()
        await changed.wait()
    assert residency.current is None


async def test_a_request_joins_the_load_of_the_model_that_it_names(
    engine: Engine, loading: ScriptedLoading, uses: Uses, home: Path, parameters: LoadParameters
) -> None:
    library = Library(Imports(engine, uses, home), Downloads(uses, allow_remote_code=False), home)
    residency = Residency(
        engine,
        library,
        uses,
        StateFile(None),
        allow_remote_code=False,
        auto_load=LoadParameters(model_path=""),
    )
    asked = replace(parameters, context_length=77)
    loading.ends = False
    load = asyncio.create_task(residency.load(asked))
    await loading.begun.wait()
    found = asyncio.create_task(residency.find(parameters.model_path))
    await asyncio.sleep(0)
    loading.ends = True
    assert await found is await load
    assert loading.reads == 1
    # One that begins when the model is loaded leaves it as it is, too.
    automatic = residency.begin_load(parameters, automatic=True)
    assert (await residency.wait(automatic)).parameters is asked
    assert loading.reads == 1


async def test_a_keep_alive_is_looked_at_again_when_its_turn_has_come(
    residency: Residency, loading: ScriptedLoading, parameters: LoadParameters
) -> None:
    loaded = await residency.load(replace(parameters, keep_alive_s=3600))
    await residency._unload_if_idle(loaded, 3600)
    assert residency.current is loaded
    await residency._unload_if_idle(loaded, 0)
    assert residency.current is None


async def test_what_nobody_foresaw_fails_a_load_and_is_told(
    residency: Residency, parameters: LoadParameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "a secret place")

    monkeypatch.setattr(module, "prepare_text_model", fail)
    residency.begin(parameters)
    with pytest.raises(LoadFailed) as raised:
        await residency.restore(parameters)
    assert "secret" not in raised.value.message
    assert residency.state is ModelState.UNINITIALIZED
    assert residency.reason is not None
