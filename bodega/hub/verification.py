"""Compares cached models with the Hugging Face Hub, file by file."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from bodega import limits
from bodega.errors import GatedModel, HubFailed, HubTokenRefused, InvalidModel, RepositoryNotFound
from bodega.hub.cancellation import Cancellation
from bodega.hub.catalog import CachedModel
from bodega.hub.client import HubClient
from bodega.hub.completeness import compare
from bodega.hub.manifest import Manifest
from bodega.hub.paths import repository_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A model, compared with the hub.

    Attributes:
        model: the model, with the percentage and completeness that the hub's sizes tell.
        is_on_hub: whether the hub has it, and shows it; if not, the model is as it was.
        is_newest: whether the revision that is here is the hub's newest.
        missing: the files that are not here with the size that the hub says.
    """

    model: CachedModel
    is_on_hub: bool
    is_newest: bool
    missing: tuple[str, ...]


def verify_with_hub(
    models: Sequence[CachedModel], cancellation: Cancellation | None = None
) -> list[Verified]:
    """Compare models with the hub, by the names and sizes of their files.

    Args:
        models: the models; those that did not come from the hub are left as they are.
        cancellation: ends it.

    Raises:
        HubOffline, HubUnreachable, HubRateLimited, HubFailed: the hub does not answer.
        DownloadCancelled: it was cancelled.
    """
    stop = cancellation or Cancellation("models")
    with ThreadPoolExecutor(limits.MODELS_VERIFIED_AT_ONCE, "bodega-verify") as threads:
        tasks = [threads.submit(_verify, model, stop) for model in models]
        try:
            return [task.result() for task in tasks]
        except BaseException:
            stop.cancel()
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _verify(model: CachedModel, stop: Cancellation) -> Verified:
    same = Verified(model=model, is_on_hub=False, is_newest=True, missing=())
    model_id = _repository_id(model)
    if model_id is None:
        return same
    try:
        newest = HubClient(model_id, "main", stop).manifest()
        own = newest if model.folder is None else _own(model_id, model.folder, newest, stop)
    except (RepositoryNotFound, GatedModel, HubTokenRefused, InvalidModel):
        return same
    except HubFailed as error:
        if error.is_passing:
            raise
        return same  # of this repository alone
    if model.folder is None:
        return replace(same, is_on_hub=True, is_newest=False)
    found = compare(model.folder, own)
    if found is None:
        return replace(same, is_on_hub=True, is_newest=newest.commit == model.folder.name)
    return Verified(
        model=replace(model, percent=found.percent, is_complete=not found.missing),
        is_on_hub=True,
        is_newest=newest.commit == model.folder.name,
        missing=found.missing,
    )


def _repository_id(model: CachedModel) -> str | None:
    """Return the id that the hub has for a model, which may be known by another one here."""
    if model.is_local:
        return None
    return model.id if model.folder is None else repository_id(model.folder.parent.parent.name)


def _own(model_id: str, folder: Path, newest: Manifest, stop: Cancellation) -> Manifest:
    """Return what the hub says of the revision that is here, else of the newest one."""
    if newest.commit == folder.name:
        return newest
    try:
        return HubClient(model_id, folder.name, stop).manifest()
    except RepositoryNotFound:
        return newest
