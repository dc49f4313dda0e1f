"""A load under way: what it does, and how far it is."""

import asyncio
from dataclasses import dataclass
from enum import Enum

from bodega.config import LoadParameters
from bodega.hub.progress import Progress
from bodega.services.feed import Feed
from bodega.services.loaded_model import LoadedModel


class LoadStage(Enum):
    """What a load does."""

    RESOLVING = "resolving"
    DOWNLOADING = "downloading"
    READING = "reading"
    WARMING_UP = "warming_up"
    READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadProgress:
    """How far a load is.

    Attributes:
        fraction: how much of the stage is done, from 0 to 1.
        download: how far the download is, while that is the stage.
    """

    stage: LoadStage
    fraction: float = 0.0
    download: Progress | None = None


class Load:
    """A load under way, which all who ask for just the same share.

    Attributes:
        automatic: whether a request that names the model asked for it.
        progress: how far it is; ends with the load.
        task: what it returns or raises.
    """

    task: asyncio.Task[LoadedModel]

    def __init__(self, parameters: LoadParameters, *, automatic: bool = False) -> None:
        self.parameters = parameters
        self.automatic = automatic
        self.progress = Feed(LoadProgress(stage=LoadStage.RESOLVING))

    def tell(self, stage: LoadStage, fraction: float = 0.0) -> None:
        """Tell how far it is."""
        self.progress.put(LoadProgress(stage=stage, fraction=fraction))

    def tell_download(self, download: Progress) -> None:
        """Tell how far its download is."""
        self.progress.put(
            LoadProgress(stage=LoadStage.DOWNLOADING, fraction=download.fraction, download=download)
        )
