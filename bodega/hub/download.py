"""Downloads a model from the Hugging Face Hub into its cache, all that it needs and no more.

huggingface_hub finds the hub, the token and the cache, and says what a repository holds. What it
leaves open is done here: going on from the bytes of a killed process, and comparing every file
with its hash. Files come over plain HTTP also from Xet storage, whose own client cannot resume.
"""

import contextlib
import errno
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from bodega import limits
from bodega.errors import (
    BodegaError,
    CacheUnwritable,
    DownloadCancelled,
    InsufficientDisk,
    InvalidRequest,
)
from bodega.hub.cached_repository import CachedRepository
from bodega.hub.cancellation import Cancellation
from bodega.hub.client import HubClient
from bodega.hub.file_transfer import FileTransfer
from bodega.hub.manifest import Manifest, RepositoryFile
from bodega.hub.needs import needed_files
from bodega.hub.paths import cache_folder, check_model_id, check_revision
from bodega.hub.progress import Meter, Progress
from bodega.hub.selection import narrow


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a download brings.

    Attributes:
        manifest: all that the repository holds.
        files: of these the ones to bring, the small ones first.
        total_bytes: what they take.
        present_bytes: what is here of it, by the sizes of the files.
        missing_bytes: what is to be fetched, what several files share counted once.
    """

    manifest: Manifest
    files: tuple[RepositoryFile, ...]
    total_bytes: int
    present_bytes: int
    missing_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """A model that is here, all of it verified.

    Attributes:
        folder: its files.
        commit: the commit that they are of.
        size_bytes: what they take.
        seconds: how long it took.
    """

    folder: Path
    commit: str
    size_bytes: int
    seconds: float


class Download:
    """The download of one model, which is run once. Blocks; for a thread of its own."""

    def __init__(
        self,
        model_id: str,
        *,
        revision: str = "main",
        allow_patterns: Sequence[str] | None = None,
        allow_code: bool = False,
    ) -> None:
        """Make one; nothing is asked or written yet.

        Args:
            model_id: the id of the repository.
            revision: a branch, a tag or a commit.
            allow_patterns: of the files that the model needs only those that match one.
            allow_code: whether Python code that comes with it is fetched, too.

        Raises:
            InvalidRequest: the id or the revision can be none.
        """
        check_model_id(model_id)
        check_revision(revision)
        self._model_id = model_id
        self._revision = revision
        self._patterns = allow_patterns
        self._allow_code = allow_code
        self._cancellation = Cancellation(model_id)
        self._client = HubClient(model_id, revision, self._cancellation)
        self._repository = CachedRepository(model_id)
        self._missing_bytes = 0

    def cancel(self) -> None:
        """End it soon, from any thread; what has come is kept."""
        self._cancellation.cancel()

    def plan(self) -> Plan:
        """Ask the hub what is to be fetched. Writes nothing.

        Raises:
            RepositoryNotFound, GatedModel, HubTokenRefused: the hub does not give it.
            NoSafetensors, InvalidModel: it is of no use here, or damaged.
            InvalidRequest: no file matches the patterns.
            HubOffline, HubUnreachable, HubRateLimited, HubFailed: the hub does not answer.
            DownloadCancelled: it was cancelled.
        """
        manifest = self._client.manifest()
        if manifest.is_gated:
            self._client.check_access()
        needed = needed_files(
            self._model_id, manifest, lambda file: self._read(manifest, file), self._allow_code
        )
        names = narrow(needed, self._patterns).names
        if not names:
            raise InvalidRequest(
                "None of the files that the model needs matches the patterns.",
                param="allow_patterns",
            )
        return self._plan(manifest, [manifest.files[name] for name in names])

    def run(self, tell: Callable[[Progress], None] | None = None) -> Downloaded:
        """Bring the model, or what is missing or damaged of it.

        Files that are here are compared with their hashes, which costs reading all of them once,
        about a second a gigabyte.

        Args:
            tell: is told how far it is, from several threads but one at a time.

        Raises:
            BodegaError: as `plan`, and InsufficientDisk, CacheUnwritable, CacheLocked,
                ModelInUse, DownloadDamaged, DownloadTruncated.
        """
        begin = time.monotonic()
        with self._disk_errors():
            plan = self.plan()
            self._check_disk(plan)
            with self._repository.in_use():
                meter = self._bring(plan, tell or (lambda _: None))
                if not self._patterns or not self._repository.has_reference(self._revision):
                    # A part of a newer revision does not take the place of a whole model.
                    self._repository.write_reference(self._revision, plan.manifest.commit)
                self._repository.sweep()
        meter.complete()
        return Downloaded(
            folder=self._repository.snapshot(plan.manifest.commit),
            commit=plan.manifest.commit,
            size_bytes=plan.total_bytes,
            seconds=time.monotonic() - begin,
        )

    def _read(self, manifest: Manifest, file: RepositoryFile) -> bytes:
        """Return the content of a small file, from the disk if it is sound there."""
        found = self._repository.find(manifest.commit, file)
        if found is not None and found.stat().st_size == file.size_bytes:
            content, digest = found.read_bytes(), file.digest()
            digest.update(content)
            if digest.hexdigest() == file.blob:
                return content
        return self._client.read(file, manifest.commit)

    def _plan(self, manifest: Manifest, files: Sequence[RepositoryFile]) -> Plan:
        here = [self._repository.present_bytes(manifest.commit, file) for file in files]
        missing = {
            file.blob: file.size_bytes - present for file, present in zip(files, here, strict=True)
        }
        return Plan(
            manifest=manifest,
            files=tuple(files),
            total_bytes=sum(file.size_bytes for file in files),
            present_bytes=sum(here),
            missing_bytes=sum(missing.values()),
        )

    def _check_disk(self, plan: Plan) -> None:
        self._missing_bytes = plan.missing_bytes + limits.DISK_RESERVE_BYTES
        free_bytes = _free_bytes()
        if plan.missing_bytes and self._missing_bytes > free_bytes:
            raise InsufficientDisk(needed_bytes=self._missing_bytes, free_bytes=free_bytes)

    def _bring(self, plan: Plan, tell: Callable[[Progress], None]) -> Meter:
        commit = plan.manifest.commit
        self._repository.begin(plan.manifest)
        meter = Meter(
            {file.name: file.size_bytes for file in plan.files},
            {file.name: self._repository.present_bytes(commit, file) for file in plan.files},
            tell,
        )
        transfer = FileTransfer(
            client=self._client,
            repository=self._repository,
            commit=commit,
            meter=meter,
            cancellation=self._cancellation,
        )
        with ThreadPoolExecutor(limits.FILES_AT_ONCE, "bodega-files") as threads:
            try:
                tasks = [threads.submit(transfer.bring, file) for file in plan.files]
                wait(tasks, return_when=FIRST_EXCEPTION)
                _raise_first(tasks)
            except BaseException:
                self._cancellation.cancel()
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        return meter

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except BodegaError:
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise InsufficientDisk(
                    needed_bytes=self._missing_bytes, free_bytes=_free_bytes()
                ) from error
            raise CacheUnwritable(error.strerror or type(error).__name__) from error


def _raise_first(tasks: Sequence[Future[None]]) -> None:
    errors = [error for task in tasks if task.done() and (error := task.exception())]
    if errors:
        # The others may have been cancelled because of one.
        raise min(errors, key=lambda error: isinstance(error, DownloadCancelled))


def _free_bytes() -> int:
    """Return what is free where the cache is, or will be."""
    folder = cache_folder().absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
