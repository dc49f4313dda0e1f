"""Downloads wait for their turn, and those that are cancelled are in nobody's way."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bodega.errors import DownloadCancelled, DownloadNotFound, ShuttingDown, TooManyDownloads
from bodega.hub.download import Downloaded
from bodega.limits import MAX_DOWNLOADS, MAX_DOWNLOADS_LISTED
from bodega.services import downloads as module
from bodega.services.downloads import DownloadRequest, Downloads
from bodega.services.uses import Uses


class PlayedDownload:
    """A download that ends when it is let, whether it was cancelled or not.

    Attributes:
        made: all of them, in order.
    """

    made: ClassVar[list["PlayedDownload"]] = []

    def __init__(self, model_id: str, **_: Any) -> None:
        self.model_id = model_id
        self.begun, self.ends = threading.Event(), threading.Event()
        self.is_cancelled = False
        self.made.append(self)

    def cancel(self) -> None:
        self.is_cancelled = True

    def run(self, tell: Any) -> Downloaded:
        self.begun.set()
        assert self.ends.wait(60)
        if self.is_cancelled:
            raise DownloadCancelled(self.model_id)
        return Downloaded(folder=Path(self.model_id), commit="1", size_bytes=1, seconds=0.1)


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[PlayedDownload]]:
    monkeypatch.setattr(module, "Download", PlayedDownload)
    PlayedDownload.made = []
    yield PlayedDownload.made
    for download in PlayedDownload.made:
        download.ends.set()


@pytest.fixture
def downloads() -> Downloads:
    return Downloads(Uses(), allow_remote_code=False)


def ask(number: int) -> DownloadRequest:
    return DownloadRequest(model_path=f"some/{number}")


async def begun(download: PlayedDownload) -> None:
    assert await asyncio.to_thread(download.begun.wait, 60)


async def test_one_that_waits_for_its_turn_is_cancelled_at_once(
    downloads: Downloads, played: list[PlayedDownload]
) -> None:
    transfers = [downloads.begin(ask(number)) for number in range(MAX_DOWNLOADS + 2)]
    for download in played[:MAX_DOWNLOADS]:
        await begun(download)
    downloads.cancel("some/4")
    with pytest.raises(DownloadCancelled):
        await downloads.wait(transfers[MAX_DOWNLOADS])
    assert len(downloads.under_way) == MAX_DOWNLOADS + 1
    with pytest.raises(DownloadNotFound):
        downloads.cancel("some/4")
    played[0].ends.set()
    await begun(played[-1])
    assert not played[MAX_DOWNLOADS].begun.is_set()


async def test_the_same_may_be_asked_for_right_after_it_was_cancelled(
    downloads: Downloads, played: list[PlayedDownload]
) -> None:
    first = downloads.begin(ask(1))
    await begun(played[0])
    downloads.cancel("some/1")
    second = downloads.begin(ask(1))
    assert second is not first
    await begun(played[1])
    for download in played:
        download.ends.set()
    with pytest.raises(DownloadCancelled):
        await downloads.wait(first)
    assert (await downloads.wait(second)).folder == Path("some/1")
    assert downloads.under_way == []


async def test_there_are_only_so_many(downloads: Downloads) -> None:
    for number in range(MAX_DOWNLOADS_LISTED):
        downloads.begin(ask(number))
    with pytest.raises(TooManyDownloads):
        downloads.begin(ask(MAX_DOWNLOADS_LISTED))
    await asyncio.sleep(0)
    closing = asyncio.create_task(downloads.close())
    await asyncio.sleep(0)
    for download in PlayedDownload.made:
        download.ends.set()
    await closing
    with pytest.raises(ShuttingDown):
        downloads.begin(ask(1))
