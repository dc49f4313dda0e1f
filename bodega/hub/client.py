"""Asks the Hugging Face Hub, through huggingface_hub's session, with its settings and its token.

Its own calls would send along what else is installed here, and which program runs this one.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import get_session, get_token

import bodega
from bodega import limits
from bodega.errors import (
    BodegaError,
    DownloadDamaged,
    HubFailed,
    HubOffline,
    RepositoryNotFound,
)
from bodega.hub.cancellation import Cancellation
from bodega.hub.manifest import Manifest, RepositoryFile, manifest_of
from bodega.hub.refusals import refusal, unreachable
from bodega.hub.retries import Retries

Answer = TypeVar("Answer")

_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What comes of a file.

    Attributes:
        begin: its first byte; 0 also where another was asked for and the hub gives all.
        chunks: the bytes; they end early when the connection does.
    """

    begin: int
    chunks: Iterator[bytes]


class HubClient:
    """Asks for one repository. Safe to use from several threads."""

    def __init__(self, model_id: str, revision: str, cancellation: Cancellation) -> None:
        """Make one; nothing is asked yet.

        Args:
            model_id: the repository.
            revision: a branch, a tag or a commit.
            cancellation: ends what takes long.
        """
        self._model_id = model_id
        self._revision = revision
        self._cancellation = cancellation

    def manifest(self) -> Manifest:
        """Return what the repository holds at the revision.

        Raises:
            RepositoryNotFound, HubTokenRefused: the hub does not show it.
            HubOffline, HubUnreachable, HubRateLimited, HubFailed: the hub does not answer.
            InvalidModel: it has names that would lead out of a folder.
            DownloadCancelled: it was cancelled.
        """
        return self._again(self._manifest)

    def check_access(self) -> None:
        """Do nothing if files of the repository may be fetched.

        Raises:
            GatedModel: they may not.
            BodegaError: as `manifest`.
        """
        try:
            self._again(lambda: self._tell("auth-check"))
        except RepositoryNotFound:
            return  # a mirror that does not know the question; the files' own answers will tell

    @contextlib.contextmanager
    def open(self, file: RepositoryFile, commit: str, *, begin: int) -> Iterator["Body"]:
        """Ask for a file from a byte on.

        The token goes to the hub alone, and not to where it redirects.

        Args:
            file: the file.
            commit: of which commit.
            begin: the first byte.

        Raises:
            BodegaError: as `manifest`, and GatedModel.
        """
        url = f"{constants.ENDPOINT}/{self._model_id}/resolve/{commit}/{quote(file.name)}"
        # Compressed, it would have other offsets.
        headers = {"Accept-Encoding": "identity"}
        if begin:
            headers["Range"] = f"bytes={begin}-"
        with self._get(url, headers, limits.HUB_SILENCE_S) as response:
            yield Body(begin=_begin(response), chunks=self._chunks(response))

    def read(self, file: RepositoryFile, commit: str) -> bytes:
        """Return the content of a small file, verified.

        Raises:
            DownloadDamaged: it is not what the hub says it is.
            BodegaError: as `open`.
        """

        def ask() -> bytes:
            content = bytearray()
            with self.open(file, commit, begin=0) as body:
                for chunk in body.chunks:
                    content += chunk
                    if len(content) > file.size_bytes:
                        break
            return bytes(content)

        for _ in range(2):
            content = self._again(ask)
            digest = file.digest()
            digest.update(content)
            if digest.hexdigest() == file.blob:
                return content
        raise DownloadDamaged(file.name)

    def _manifest(self) -> Manifest:
        path = f"revision/{quote(self._revision, safe='')}?blobs=true"
        try:
            told = json.loads(self._tell(path))
            files = [_file(sibling) for sibling in told["siblings"]]
            return manifest_of(told["sha"], files, is_gated=bool(told.get("gated")))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise HubFailed(
                "answers with something that does not tell the files of a model", is_passing=False
            ) from error

    def _tell(self, path: str) -> bytes:
        url = f"{constants.ENDPOINT}/api/models/{self._model_id}/{path}"
        content = bytearray()
        with self._get(url, {}, limits.HUB_ANSWER_S) as response:
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > limits.MAX_INDEX_BYTES:
                    raise HubFailed("answers without end", is_passing=False)
        return bytes(content)

    @contextlib.contextmanager
    def _get(
        self, url: str, headers: Mapping[str, str], silence_s: float
    ) -> Iterator[httpx2.Response]:
        """Ask, and give the answer whose body is to be read, if it is no refusal."""
        headers = {"User-Agent": f"bodega/{bodega.__version__}", **headers}
        if not constants.HF_HUB_DISABLE_IMPLICIT_TOKEN and (token := get_token()):
            headers["Authorization"] = f"Bearer {token}"
        timeout = httpx2.Timeout(silence_s, connect=limits.HUB_CONNECT_S)
        self._cancellation.check()
        with (
            self._translated(),
            get_session().stream("GET", url, headers=headers, timeout=timeout) as response,
        ):
            if response.status_code >= 400:
                raise refusal(response, self._model_id, self._revision)
            stream = response.extensions.get("network_stream")
            connection = stream.get_extra_info("socket") if stream is not None else None
            with self._cancellation.guard(connection):
                yield response

    def _chunks(self, response: httpx2.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_bytes()
        except (httpx2.HTTPError, ValueError):
            # Perhaps because it was cancelled: a TLS socket that is shut answers with the latter.
            self._cancellation.check()

    def _again(self, ask: Callable[[], Answer]) -> Answer:
        retries = Retries(self._cancellation)
        while True:
            self._cancellation.check()
            try:
                return ask()
            except BodegaError as error:
                retries.wait(error)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise errors of our own in place of the client's."""
        try:
            yield
        except OfflineModeIsEnabled as error:
            raise HubOffline from error
        except (httpx2.HTTPError, httpx2.InvalidURL):
            self._cancellation.check()  # which may be why
            raise unreachable() from None


def _file(sibling: Any) -> RepositoryFile:
    large = sibling.get("lfs") or {}
    return RepositoryFile(
        name=sibling["rfilename"],
        size_bytes=large.get("size", sibling["size"]),
        git_id=sibling["blobId"],
        sha256=large.get("sha256"),
    )


def _begin(response: httpx2.Response) -> int:
    if response.status_code != 206:
        return 0
    given = _RANGE.match(response.headers.get("Content-Range", ""))
    return int(given[1]) if given else -1
