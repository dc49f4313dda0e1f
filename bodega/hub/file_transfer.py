"""Brings one file into the cache: resumed, verified, and under its name only then."""

from bodega.errors import BodegaError, DownloadDamaged, DownloadTruncated
from bodega.hub.cached_repository import CachedRepository
from bodega.hub.cancellation import Cancellation
from bodega.hub.client import HubClient
from bodega.hub.manifest import RepositoryFile
from bodega.hub.partial import PartialFile, is_sound
from bodega.hub.progress import DownloadStage, Meter
from bodega.hub.retries import Retries


class FileTransfer:
    """Brings the files of one commit. Safe to use from several threads."""

    def __init__(
        self,
        *,
        client: HubClient,
        repository: CachedRepository,
        commit: str,
        meter: Meter,
        cancellation: Cancellation,
    ) -> None:
        self._client = client
        self._repository = repository
        self._commit = commit
        self._meter = meter
        self._cancellation = cancellation

    def bring(self, file: RepositoryFile) -> None:
        """See to it that a file is here and sound, whatever is here now.

        Raises:
            BodegaError: it cannot be fetched; what has come of it is kept, unless it is damaged.
            OSError: the disk is full, or fails.
        """
        with self._repository.hold(file, self._cancellation):
            if not self._is_here(file):
                self._fetch(file)
            self._repository.place(self._commit, file)
        self._meter.finish(file.name)

    def _is_here(self, file: RepositoryFile) -> bool:
        found = self._repository.find(self._commit, file)
        if found is None:
            return False
        self._meter.begin(file.name, DownloadStage.VERIFYING)
        if is_sound(found, file, lambda done: self._verified(file, done)):
            return True
        # Nobody should take it for whole while another one comes.
        found.unlink()
        return False

    def _fetch(self, file: RepositoryFile) -> None:
        path = self._repository.partial(file)
        for _ in range(2):
            with PartialFile(path, file) as partial:
                if partial.left_bytes:
                    self._meter.begin(file.name, DownloadStage.VERIFYING)
                partial.read_back(lambda done: self._verified(file, done))
                self._meter.begin(file.name, DownloadStage.DOWNLOADING)
                self._receive(file, partial)
                if partial.is_sound:
                    partial.finish(self._repository.blob(file))
                    return
            path.unlink()
        raise DownloadDamaged(file.name)

    def _receive(self, file: RepositoryFile, partial: PartialFile) -> None:
        retries = Retries(self._cancellation)
        while partial.size_bytes < file.size_bytes:
            before = partial.size_bytes
            error: BodegaError | None = None
            try:
                self._receive_some(file, partial)
            except BodegaError as caught:
                error = caught
            if partial.size_bytes > before:
                retries.reset()
            if partial.size_bytes < file.size_bytes:
                done = partial.size_bytes
                retries.wait(
                    error
                    or DownloadTruncated(file.name, done_bytes=done, size_bytes=file.size_bytes)
                )

    def _receive_some(self, file: RepositoryFile, partial: PartialFile) -> None:
        """Take what one answer brings."""
        with self._client.open(file, self._commit, begin=partial.size_bytes) as body:
            if body.begin != partial.size_bytes:
                partial.restart()
                if body.begin != 0:
                    return
            for chunk in body.chunks:
                taken = chunk[: file.size_bytes - partial.size_bytes]
                partial.write(taken)
                self._meter.fetched(file.name, len(taken), partial.size_bytes)
                self._cancellation.check()
                if partial.size_bytes == file.size_bytes:
                    # More than there should be would be noticed by nobody.
                    return

    def _verified(self, file: RepositoryFile, done_bytes: int) -> None:
        self._cancellation.check()
        self._meter.verified(file.name, done_bytes)
