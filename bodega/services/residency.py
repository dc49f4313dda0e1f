"""Which model is loaded: one at a time, replaced in order, never half."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from pathlib import Path

from bodega.backends.base import TextLoading
from bodega.backends.registry import prepare_text_model
from bodega.config import DEMO_MODEL, LoadParameters
from bodega.engine.engine import Engine
from bodega.engine.text_resident import Admission, TextResident
from bodega.errors import (
    BodegaError,
    InvalidRequest,
    LoadFailed,
    MissingParameter,
    ModelIsLoading,
    ModelNotFound,
    NoModelLoaded,
    ShuttingDown,
    quoted,
)
from bodega.limits import DRAIN_S, MAX_MODEL_NAME_CHARS, STEADY_S
from bodega.parsers.choice import choose_reasoning, choose_tool_calls
from bodega.services.background import Background
from bodega.services.library import Library
from bodega.services.load import Load, LoadStage
from bodega.services.load_check import check_load
from bodega.services.loaded_model import CURRENT, LoadedModel
from bodega.services.state_file import StateFile
from bodega.services.uses import Use, Uses

logger = logging.getLogger(__name__)


class ModelState(Enum):
    """What the model does."""

    UNINITIALIZED = "uninitialized"
    LOADING = "loading"
    INITIALIZED = "initialized"
    UNLOADING = "unloading"


class Residency:
    """Loads and unloads models. On the event loop only.

    Loads and unloads happen one after the other and go on when their caller
    leaves. That there is one model at a time is decided here and nowhere else.
    """

    def __init__(
        self,
        engine: Engine,
        library: Library,
        uses: Uses,
        state_file: StateFile,
        *,
        allow_remote_code: bool,
        auto_load: LoadParameters | None = None,
        drain_s: float = DRAIN_S,
    ) -> None:
        """Make one without a model.

        Args:
            engine: runs the models.
            library: finds their files.
            uses: keeps their files from being removed.
            state_file: keeps which model is loaded.
            allow_remote_code: whether trust_remote_code is honoured.
            auto_load: how to load a model of this machine that a request names; None to refuse
                such requests.
            drain_s: how long running requests may go on when their model goes.
        """
        self._engine = engine
        self._library = library
        self._uses = uses
        self._state_file = state_file
        self._steady: asyncio.TimerHandle | None = None
        self._idle_watch: asyncio.Task[None] | None = None
        self._allow_remote_code = allow_remote_code
        self._auto_load = auto_load
        self._drain_s = drain_s
        self._turn = asyncio.Lock()
        self._loads: dict[LoadParameters, Load] = {}
        self._background = Background()
        self.state = ModelState.UNINITIALIZED
        self.current: LoadedModel | None = None
        self.reason: str | None = None
        self.on_change: Callable[[], None] = lambda: None

    @property
    def can_answer(self) -> bool:
        """Whether a request that names the loaded model would be taken in."""
        return self.state is ModelState.INITIALIZED and not self._background.ended

    def resolve(self, name: str) -> LoadedModel:
        """Return the model that a request names.

        Raises:
            MissingParameter, InvalidRequest: there is no name, or it cannot be one.
            NoModelLoaded, ModelIsLoading, ShuttingDown: there is no model now.
            ModelNotFound: another one is named.
        """
        if not name:
            raise MissingParameter("model", "'model' is required; \"current\" is the loaded one.")
        if len(name) > MAX_MODEL_NAME_CHARS:
            raise InvalidRequest("The model's name is too long.", param="model")
        if self._background.ended:
            raise ShuttingDown
        if self.state is ModelState.LOADING:
            raise ModelIsLoading
        if self.current is None or self.state is ModelState.UNLOADING:
            raise NoModelLoaded
        if not self.current.answers_to(name):
            raise ModelNotFound(
                f"The model {quoted(name)} is not loaded; {self.current.model_id!r} is, which "
                f'"current" names too. To load another, POST /v1/admin/load-model '
                f"or call Admin.LoadModel.",
                param="model",
            )
        return self.current

    async def find(self, name: str) -> LoadedModel:
        """Return the model that a request names, loaded for it where that is allowed.

        Raises:
            BodegaError: as `resolve`, or loading it failed.
        """
        try:
            return self.resolve(name)
        except (ModelNotFound, NoModelLoaded, ModelIsLoading):
            if self._auto_load is None or name == CURRENT:
                raise
            under_way = next(
                (load for load in self._loads.values() if load.parameters.model_path == name), None
            )
            if under_way is None and not await self._library.has(name):
                raise
        parameters = replace(self._auto_load, model_path=name)
        return await self.wait(under_way or self.begin_load(parameters, automatic=True))

    async def load(self, parameters: LoadParameters) -> LoadedModel:
        """Load a model in place of the loaded one and return it when it serves.

        Raises:
            BodegaError: nothing was touched if the request or the files are at fault; if
                reading failed (LoadFailed), no model is loaded.
        """
        return await self.wait(self.begin_load(parameters))

    def begin_load(self, parameters: LoadParameters, *, automatic: bool = False) -> Load:
        """Begin to load a model, or join the load of just this one that is under way.

        Args:
            parameters: the model.
            automatic: leave it as it is if it is loaded by then, however it was asked for.

        Raises:
            BodegaError: the parameters are at fault.
        """
        check_load(parameters, allow_remote_code=self._allow_remote_code)
        if self._background.ended:
            raise ShuttingDown
        if parameters in self._loads:
            return self._loads[parameters]
        load = self._loads[parameters] = Load(parameters, automatic=automatic)
        load.task = self._background.start(self._load(load))
        load.task.add_done_callback(lambda _: self._end_load(load))
        return load

    async def wait(self, load: Load) -> LoadedModel:
        """Return what a load loads. It goes on when the waiting is cancelled.

        Raises:
            BodegaError: as `load`.
        """
        return await self._background.wait(load.task)

    def begin(self, load: LoadParameters | None) -> LoadParameters | None:
        """Decide what to load at the start, which `restore` is to be given then.

        Args:
            load: what to load unless the state file names a model.
        """
        revival = self._state_file.revive(load)
        self.reason = revival.reason
        if revival.reason is not None:
            logger.error("%s", revival.reason)
        if revival.load is not None:
            self._enter(ModelState.LOADING)
        return revival.load

    async def restore(self, parameters: LoadParameters) -> LoadedModel:
        """Load the model that `begin` told; if it fails no model is loaded, and health says why.

        Raises:
            BodegaError: it cannot be loaded.
        """
        try:
            return await self.load(parameters)
        except BodegaError as error:
            if isinstance(error, ShuttingDown):
                self._state_file.prove()  # it is not to blame that it was not waited for
            if self.current is None and not self._background.ended:
                self._state_file.forget()
                self.reason = (
                    f"The model {quoted(parameters.model_path)} could not be loaded at the start: "
                    f"{error.message}"
                )
                self._enter(ModelState.UNINITIALIZED)
            raise

    async def unload(self, *, abort: bool = False) -> str | None:
        """Unload the loaded model; return its id, or None if there was none.

        Args:
            abort: end running requests at once.
        """
        return await self._background.run(self._unload(drain_s=0 if abort else self._drain_s))

    async def close(self, *, drain_s: float) -> None:
        """End serving for good: running requests may end, then the model goes.

        A load or unload that is under way fails with ShuttingDown.
        """
        self._background.end()
        async with self._turn:
            await self._take_out(ShuttingDown(), drain_s=drain_s)

    async def _load(self, load: Load) -> LoadedModel:
        try:
            return await self._find_and_load(load)
        except BodegaError:
            raise
        except Exception as error:
            logger.exception("loading failed")
            raise LoadFailed(f"Loading the model failed ({type(error).__name__}).") from None

    async def _find_and_load(self, load: Load) -> LoadedModel:
        # The loaded model serves while another is downloaded, however long that takes.
        folder, use = await self._take(load)
        try:
            async with self._turn:
                current = self.current
                if load.automatic and current and current.answers_to(load.parameters.model_path):
                    use.end()
                    return current
                return await self._load_in_turn(load, folder, use)
        except BaseException:
            use.end()
            raise

    async def _take(self, load: Load) -> tuple[Path, Use]:
        """Return the folder of a load's model, which nobody removes until its use has ended."""
        while True:
            folder = await self._library.fetch(load.parameters, load.tell_download)
            use = self._uses.begin(folder, "loaded or being loaded")
            if folder.is_dir():
                return folder, use
            use.end()  # deleted since it was found

    async def _load_in_turn(self, load: Load, folder: Path, use: Use) -> LoadedModel:
        if self._background.ended:
            raise ShuttingDown
        begin, parameters = time.monotonic(), load.parameters
        load.tell(LoadStage.RESOLVING)
        loading = await asyncio.to_thread(prepare_text_model, folder, parameters)
        loading.check_memory(freed_bytes=self._freed_bytes())
        await self._engine.run(loading.build)
        self._enter(ModelState.LOADING)
        resident = await self._replace(loading, load)
        info = resident.info
        self.current = LoadedModel(
            model_id=parameters.model_id or _default_id(parameters.model_path, folder),
            folder=folder,
            parameters=parameters,
            resident=resident,
            reasoning_parser=choose_reasoning(
                parameters.reasoning_parser, info.template, info.markers
            ),
            tool_call_parser=choose_tool_calls(
                parameters.tool_call_parser, info.template, info.markers
            ),
            loaded_at=int(time.time()),
            load_seconds=time.monotonic() - begin,
            use=use,
        )
        self._keep(self.current)
        self._enter(ModelState.INITIALIZED)
        load.tell(LoadStage.READY, 1.0)
        return self.current

    def _end_load(self, load: Load) -> None:
        del self._loads[load.parameters]
        load.progress.end()

    def _freed_bytes(self) -> int:
        """Return what the loaded model will give back."""
        return self.current.resident.memory.active_bytes if self.current is not None else 0

    async def _replace(self, loading: TextLoading, load: Load) -> TextResident:
        """Put a built model in the place of the loaded one; if that fails none is loaded."""
        try:
            await self._take_out(ModelIsLoading(), drain_s=self._drain_s)
            load.tell(LoadStage.READING)
            model = await self._engine.run(
                loading.read, progress=lambda done: load.tell(LoadStage.READING, done)
            )
            load.tell(LoadStage.WARMING_UP)
            await self._engine.run(model.warm_up)
            return await self._engine.open(model, _admission(load.parameters))
        except BodegaError as error:
            # The traceback would keep the model that was half read.
            failure = error.with_traceback(None)
        except Exception as error:
            logger.exception("loading failed")
            failure = LoadFailed(
                f"Reading the model failed ({type(error).__name__}); none is loaded now."
            )
        await self._engine.discard(loading)
        self._leave_empty()
        raise failure

    async def _unload(self, *, drain_s: float) -> str | None:
        async with self._turn:
            return await self._unload_in_turn(drain_s=drain_s)

    async def _unload_in_turn(self, *, drain_s: float) -> str | None:
        if self.current is None:
            return None
        model_id = self.current.model_id
        self._enter(ModelState.UNLOADING)
        await self._take_out(NoModelLoaded(), drain_s=drain_s)
        self._leave_empty()
        return model_id

    async def _watch_idle(self, loaded: LoadedModel, keep_alive_s: float) -> None:
        """Unload a model when nobody has asked it anything for so long."""
        while True:
            await loaded.resident.until_idle()
            idle_s = loaded.resident.idle_for_s
            if idle_s >= keep_alive_s:
                break
            await asyncio.sleep(keep_alive_s - idle_s)
        self._background.start(self._unload_if_idle(loaded, keep_alive_s))

    async def _unload_if_idle(self, loaded: LoadedModel, keep_alive_s: float) -> None:
        async with self._turn:
            if self.current is not loaded:
                return
            if loaded.resident.idle_for_s < keep_alive_s:  # asked while the turn was waited for
                self._idle_watch = self._background.start(self._watch_idle(loaded, keep_alive_s))
            else:
                logger.info("the model is unloaded: nobody asked it anything for its keep_alive")
                await self._unload_in_turn(drain_s=self._drain_s)

    def _keep(self, loaded: LoadedModel) -> None:
        """Remember a model for the next core, and when it has shown that it can be served."""
        self.reason = None
        self._state_file.remember(loaded.parameters)
        loaded.resident.on_answer = self._state_file.prove
        self._steady = asyncio.get_running_loop().call_later(STEADY_S, self._state_file.prove)
        if (keep_alive_s := loaded.parameters.keep_alive_s) is not None:
            self._idle_watch = self._background.start(self._watch_idle(loaded, keep_alive_s))

    def _leave_empty(self) -> None:
        self._state_file.forget()
        self._enter(ModelState.UNINITIALIZED)

    async def _take_out(self, reason: BodegaError, *, drain_s: float) -> None:
        if self.current is None:
            return
        if self._steady is not None:
            self._steady.cancel()
        if self._idle_watch is not None:
            self._idle_watch.cancel()
        # It is not to blame for what its successor does.
        self._state_file.prove()
        leaving = self.current
        await leaving.resident.close(reason, drain_s=drain_s)
        self.current = None
        await self._engine.close(leaving.resident)
        leaving.use.end()

    def _enter(self, state: ModelState) -> None:
        self.state = state
        self.on_change()


def _default_id(model_path: str, folder: Path) -> str:
    """Return the id if the model was named by one, else its folder's name."""
    is_folder = Path(model_path).expanduser().is_dir()
    return folder.name if is_folder or model_path == DEMO_MODEL else model_path


def _admission(parameters: LoadParameters) -> Admission:
    return Admission(
        max_concurrency=parameters.max_concurrency,
        queue_size=parameters.queue_size,
        queue_timeout_s=parameters.queue_timeout_s,
    )
