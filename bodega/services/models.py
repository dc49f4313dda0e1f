"""The models there are: the loaded one, those in the local Hugging Face cache, the imported."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from bodega.errors import MissingParameter, ModelInUse, ModelNotFound, quoted
from bodega.hub.cancellation import Cancellation
from bodega.hub.catalog import LOCAL_OWNER, CachedModel, list_models, read_local
from bodega.hub.removal import removable_folder, remove_model
from bodega.hub.verification import Verified, verify_with_hub
from bodega.services.background import Background
from bodega.services.loaded_model import LoadedModel
from bodega.services.residency import Residency
from bodega.services.uses import Uses


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A model on this machine.

    Attributes:
        model: what its files tell.
        is_loaded: whether it is the loaded one.
        is_newest: whether the Hub has no newer revision; None where the Hub was not asked.
    """

    model: CachedModel
    is_loaded: bool = False
    is_newest: bool | None = None


class ModelsService:
    """Tells of the models there are, and removes them."""

    def __init__(self, residency: Residency, uses: Uses, home: Path) -> None:
        """Make one.

        Args:
            residency: knows which one is loaded.
            uses: keeps what is in use from being removed.
            home: Bodega's data folder.
        """
        self._residency = residency
        self._uses = uses
        self._home = home
        self._background = Background()
        self._cancellation = Cancellation("models")
        self._verifying: asyncio.Task[Sequence[Verified]] | None = None
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="bodega-verify")

    async def list(self, *, verify_with_hub: bool = False) -> Sequence[KnownModel]:
        """Return the loaded model first, then the others by id.

        Raises:
            BodegaError: the Hub cannot be asked.
        """
        models = await asyncio.to_thread(list_models, self._home)
        loaded = self._residency.current
        if loaded is not None:
            models = await asyncio.to_thread(_with_loaded, loaded, models)
        known = [
            KnownModel(model=model, is_loaded=loaded is not None and place == 0)
            for place, model in enumerate(models)
        ]
        return await self._verify(known) if verify_with_hub else known

    async def get(self, name: str) -> KnownModel:
        """Return one of them.

        Raises:
            MissingParameter: there is no name.
            ModelNotFound: it is not among them.
        """
        if not name:
            raise MissingParameter("model")
        loaded = self._residency.current
        for known in await self.list():
            if known.model.id == name or (known.is_loaded and loaded and loaded.answers_to(name)):
                return known
        raise ModelNotFound(
            f"There is no model {quoted(name)} on this machine. GET /v1/models or the RPC "
            "Models.ListModels names those there are.",
            param="model",
        )

    async def delete(self, model_id: str) -> int:
        """Remove a model's files, and return how many bytes that freed.

        Raises:
            MissingParameter: there is no id.
            ModelNotFound: neither the cache nor the imported models have it.
            ModelInUse: it is loaded, or being loaded, downloaded, imported or deleted.
        """
        return await self._background.run(self._delete(model_id))

    def close(self) -> None:
        """End what asks the Hub."""
        self._cancellation.cancel()
        self._background.end()

    async def _verify(self, known: Sequence[KnownModel]) -> Sequence[KnownModel]:
        # One at a time, on a thread of its own: a silent Hub holds up nothing else.
        if self._verifying is None or self._verifying.done():
            self._verifying = self._background.start(self._ask_hub([one.model for one in known]))
        told = {one.model.id: one for one in await self._background.wait(self._verifying)}
        return [_compared(one, told.get(one.model.id)) for one in known]

    async def _ask_hub(self, models: Sequence[CachedModel]) -> Sequence[Verified]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, verify_with_hub, models, self._cancellation
        )

    async def _delete(self, model_id: str) -> int:
        loaded = self._residency.current
        if loaded is not None and loaded.answers_to(model_id):
            raise ModelInUse("loaded")
        folder = await asyncio.to_thread(removable_folder, model_id, self._home)
        with self._uses.none_of(folder):
            return await asyncio.to_thread(remove_model, model_id, self._home)


def _with_loaded(loaded: LoadedModel, models: Sequence[CachedModel]) -> list[CachedModel]:
    """Return the loaded model under its own id, then the others."""
    same = next((model for model in models if model.folder == loaded.folder), None)
    others = [model for model in models if model is not same and model.id != loaded.model_id]
    return [replace(same or _read(loaded), id=loaded.model_id), *others]


def _read(loaded: LoadedModel) -> CachedModel:
    try:
        return read_local(loaded.model_id, loaded.folder)
    except OSError:  # deleted meanwhile; the model answers from memory
        return CachedModel(
            id=loaded.model_id,
            created=loaded.loaded_at,
            owned_by=LOCAL_OWNER,
            size_bytes=0,
            percent=100.0,
            is_complete=True,
            folder=None,
            is_local=True,
        )


def _compared(known: KnownModel, told: Verified | None) -> KnownModel:
    if told is None or not told.is_on_hub:
        return known
    return replace(known, model=told.model, is_newest=told.is_newest)
