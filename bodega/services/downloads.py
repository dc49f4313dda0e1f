"""Downloads under way: one for all who ask for the same, which goes on when they leave."""

import asyncio
import logging
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from bodega.errors import (
    DownloadCancelled,
    DownloadNotFound,
    InvalidRequest,
    MissingParameter,
    RemoteCodeNotAllowed,
    ShuttingDown,
    TooManyDownloads,
    quoted,
)
from bodega.hub.download import Download, Downloaded
from bodega.hub.paths import cache_folder, repository_name
from bodega.hub.progress import Progress
from bodega.limits import (
    DOWNLOAD_END_S,
    MAX_DOWNLOADS,
    MAX_DOWNLOADS_LISTED,
    MAX_PATTERN_CHARS,
    MAX_PATTERNS,
)
from bodega.services.background import Background
from bodega.services.feed import Feed
from bodega.services.uses import Uses

logger = logging.getLogger(__name__)

_KEPT: Final = 64
"""Most events that wait for a reader who is slow: the beginning of each small file is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadRequest:
    """Which model to download.

    Attributes:
        model_path: the id of its repository.
        revision: a branch, a tag or a commit.
        allow_patterns: of the files that it needs only those that match one; none: all.
        code: fetch Python code that comes with it, too.
    """

    model_path: str
    revision: str = "main"
    allow_patterns: tuple[str, ...] = ()
    code: bool = False


class Transfer:
    """A download under way.

    Attributes:
        created: when it began, in seconds since 1970.
        progress: how far it is; None until it is known what is to be fetched.
        turn: is done when it may run, and fails when it is cancelled before.
        task: what it returns or raises.
    """

    task: asyncio.Task[Downloaded]

    def __init__(self, request: DownloadRequest) -> None:
        self.request = request
        self.created = int(time.time())
        self.progress: Feed[Progress | None] = Feed(None, kept=_KEPT)
        self.download = Download(
            request.model_path,
            revision=request.revision,
            allow_patterns=request.allow_patterns or None,
            allow_code=request.code,
        )
        self.turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._logged_tenths = -1

    def tell(self, progress: Progress) -> None:
        """Tell how far it is; the log is told of every tenth."""
        self.progress.put(progress)
        tenths = int(10 * progress.fraction)
        if tenths > self._logged_tenths:
            self._logged_tenths = tenths
            fields = {
                "model": self.request.model_path,
                "percent": 10 * tenths,
                "of_bytes": progress.total_bytes,
            }
            logger.info("download", extra={"fields": fields})


class Downloads:
    """The downloads under way. On the event loop only."""

    def __init__(self, uses: Uses, *, allow_remote_code: bool) -> None:
        """Make one without downloads.

        Args:
            uses: keeps what is being downloaded from being removed.
            allow_remote_code: whether Python code may be fetched.
        """
        self._uses = uses
        self._allow_remote_code = allow_remote_code
        self._transfers: dict[DownloadRequest, Transfer] = {}
        self._background = Background()
        self._free = MAX_DOWNLOADS
        self._waiting: deque[Transfer] = deque()
        self._threads = ThreadPoolExecutor(MAX_DOWNLOADS, thread_name_prefix="bodega-download")

    @property
    def under_way(self) -> list[Transfer]:
        """Those under way, the oldest first."""
        return list(self._transfers.values())

    def begin(self, request: DownloadRequest) -> Transfer:
        """Begin a download, or join the one of just this that is under way.

        Raises:
            BodegaError: the request is at fault.
        """
        _check(request)
        if request.code and not self._allow_remote_code:
            raise RemoteCodeNotAllowed
        if self._background.ended:
            raise ShuttingDown
        if request in self._transfers:
            return self._transfers[request]
        if len(self._transfers) >= MAX_DOWNLOADS_LISTED:
            raise TooManyDownloads(MAX_DOWNLOADS_LISTED)
        transfer = Transfer(request)
        transfer.task = self._background.start(self._run(transfer))
        self._transfers[request] = transfer
        transfer.task.add_done_callback(lambda _: self._end(transfer))
        return transfer

    async def wait(self, transfer: Transfer) -> Downloaded:
        """Return what a download brought. It goes on when the waiting is cancelled.

        Raises:
            BodegaError: it failed.
        """
        return await self._background.wait(transfer.task)

    def cancel(self, model_path: str) -> None:
        """End the downloads of a model; what has come is kept.

        Raises:
            DownloadNotFound: there is none.
        """
        named = [one for one in self.under_way if one.request.model_path == model_path]
        if not named:
            raise DownloadNotFound(model_path)
        for transfer in named:
            self._cancel(transfer)

    async def close(self) -> None:
        """End all downloads; those who wait are told that the server ends."""
        self._background.ended = True
        ending = self.under_way
        for transfer in ending:
            self._cancel(transfer)
        if tasks := [transfer.task for transfer in ending]:
            # A hub that has not begun to answer is not waited for; what has come is on the disk.
            await asyncio.wait(tasks, timeout=DOWNLOAD_END_S)
        self._background.end()

    async def _run(self, transfer: Transfer) -> Downloaded:
        loop = asyncio.get_running_loop()

        def tell(progress: Progress) -> None:
            loop.call_soon_threadsafe(transfer.tell, progress)

        folder = cache_folder() / repository_name(transfer.request.model_path)
        use = self._uses.begin(folder, "being downloaded")
        try:
            await self._take_turn(transfer)
            try:
                return await loop.run_in_executor(self._threads, transfer.download.run, tell)
            finally:
                self._give_turn_on()
        except DownloadCancelled:
            if self._background.ended:
                raise ShuttingDown from None
            raise
        finally:
            use.end()
            # Whoever is told that it has ended finds it in the list no more.
            self._forget(transfer)

    async def _take_turn(self, transfer: Transfer) -> None:
        if self._free:
            self._free -= 1
            return
        self._waiting.append(transfer)
        await transfer.turn

    def _give_turn_on(self) -> None:
        while self._waiting:
            if not (turn := self._waiting.popleft().turn).done():
                turn.set_result(None)
                return
        self._free += 1

    def _cancel(self, transfer: Transfer) -> None:
        transfer.download.cancel()
        # Who asks for the same from now on begins anew, however long this one takes to end.
        self._forget(transfer)
        if transfer in self._waiting:
            self._waiting.remove(transfer)
            transfer.turn.set_exception(DownloadCancelled(transfer.request.model_path))

    def _forget(self, transfer: Transfer) -> None:
        if self._transfers.get(transfer.request) is transfer:
            del self._transfers[transfer.request]

    def _end(self, transfer: Transfer) -> None:
        self._forget(transfer)
        transfer.progress.end()
        if not transfer.task.cancelled():
            transfer.task.exception()  # told to those who wait; nobody need


def _check(request: DownloadRequest) -> None:
    if not request.model_path:
        raise MissingParameter("model_path")
    if len(request.allow_patterns) > MAX_PATTERNS:
        raise InvalidRequest(f"At most {MAX_PATTERNS} patterns are taken.", param="allow_patterns")
    for pattern in request.allow_patterns:
        if not 0 < len(pattern) <= MAX_PATTERN_CHARS:
            raise InvalidRequest(
                f"The pattern {quoted(pattern)} must have 1 to {MAX_PATTERN_CHARS} characters.",
                param="allow_patterns",
            )
