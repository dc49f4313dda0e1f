"""Where a model's files are, by whatever name it is asked for."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from bodega.config import DEMO_MODEL, LoadParameters
from bodega.errors import HubOffline, IncompleteModel, InvalidRequest, ModelNotFound
from bodega.hub.catalog import find_model, list_models
from bodega.hub.demo import demo_file, demo_folder
from bodega.hub.paths import check_model_id
from bodega.hub.progress import Progress
from bodega.services.downloads import DownloadRequest, Downloads
from bodega.services.imports import Imports


class Library:
    """Finds models on this machine, and brings those that are not."""

    def __init__(self, imports: Imports, downloads: Downloads, home: Path) -> None:
        """Make one.

        Args:
            imports: bring what is not in a form that can be loaded into one.
            downloads: bring what is not on this machine.
            home: Bodega's data folder.
        """
        self._imports = imports
        self._downloads = downloads
        self._home = home

    async def find(self, name: str) -> Path:
        """Return the folder of a model: the demo, a folder, an imported model, or a Hub's id.

        Raises:
            ModelNotFound: it is not on this machine; the message says how to get it.
            InvalidRequest: the name cannot be one.
            IncompleteModel: it is there in part.
        """
        if name != DEMO_MODEL:
            return await asyncio.to_thread(find_model, name, self._home)
        gguf = await asyncio.to_thread(demo_file, self._home)
        folder = demo_folder(self._home)
        await self._imports.ensure(gguf, folder)
        return folder

    async def has(self, model_id: str) -> bool:
        """Return whether all of a model is in the cache, or imported."""
        models = await asyncio.to_thread(list_models, self._home)
        return any(model.id == model_id and model.is_complete for model in models)

    async def fetch(
        self, parameters: LoadParameters, on_progress: Callable[[Progress], None]
    ) -> Path:
        """Return the folder of a model to load, which is downloaded first if it is not here.

        Args:
            parameters: what is to be loaded.
            on_progress: told how far the download is.

        Raises:
            BodegaError: as `find`, or downloading it failed.
        """
        name = parameters.model_path
        try:
            return await self.find(name)
        except (ModelNotFound, IncompleteModel) as error:
            if not parameters.download or not _is_hub_id(name):
                raise
            missing = error
        try:
            return await self._download(parameters, on_progress)
        except HubOffline:
            raise missing from None

    async def _download(
        self, parameters: LoadParameters, on_progress: Callable[[Progress], None]
    ) -> Path:
        transfer = self._downloads.begin(
            DownloadRequest(model_path=parameters.model_path, code=parameters.trust_remote_code)
        )
        async for progress in transfer.progress.follow():
            if progress is not None:
                on_progress(progress)
        return (await self._downloads.wait(transfer)).folder


def _is_hub_id(name: str) -> bool:
    try:
        check_model_id(name)
    except InvalidRequest:
        return False
    return True
