"""A Hugging Face Hub on the loopback, which the real client talks to by HF_ENDPOINT.

    with PlayedHub() as hub:
        hub.add_model("org/name", {"config.json": b"{}", "model.safetensors": WEIGHTS})
        hub.faults.fail("/resolve/", times=2, status=503)
        subprocess.run(command, env={**os.environ, **hub.environment(tmp_path)})
        assert hub.fetched("model.safetensors") == ["bytes=0-"]

It tells what a repository holds (/api/models/..., with ?blobs=true, and /tree/), and serves files
(/resolve/..., HEAD and GET, with Range). Large ones, those of weights, are redirected to another
host, as the real one does: a second server on another port.
"""

import contextlib
import functools
import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.hub.hub_faults import Faults

LARGE = (".safetensors", ".npz", ".bin", ".gguf", ".pt")
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that came.

    Attributes:
        path: with its query, as sent.
        range: the Range header, if any.
        token: the Authorization header, if any.
        at_files: whether it came to the host of the large files.
    """

    method: str
    path: str
    range: str | None
    token: str | None
    at_files: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A repository at one commit."""

    model_id: str
    sha: str
    files: Mapping[str, bytes]
    gated: bool
    private: bool


class PlayedHub:
    """The hub, from entering it to leaving it.

    Attributes:
        url: for HF_ENDPOINT.
        faults: what goes wrong.
        requests: all that came, in order.
        token: the one that opens gated and private repositories.
    """

    def __init__(self, token: str = "hf_right") -> None:
        self.token = token
        self.faults = Faults()
        self.requests: list[Request] = []
        self._commits: dict[tuple[str, str], Commit] = {}
        self._branches: dict[tuple[str, str], str] = {}
        self._files: dict[str, tuple[str, bytes]] = {}
        self._hub = _Server(self, at_files=False)
        self._large = _Server(self, at_files=True)
        self.url = self._hub.url

    def __enter__(self) -> "PlayedHub":
        """Begin to serve."""
        self._hub.start()
        self._large.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, whatever is still being sent."""
        self.faults.release_all()
        self._hub.stop()
        self._large.stop()

    def add_model(
        self,
        model_id: str,
        files: Mapping[str, bytes],
        *,
        revision: str = "main",
        gated: bool = False,
        private: bool = False,
    ) -> str:
        """Add a model, or a commit to it, and return the commit.

        Args:
            model_id: its id.
            files: content by name.
            revision: the branch that moves to the commit.
            gated: whether only the token's owner gets its files.
            private: whether only the token's owner sees it at all.
        """
        told = json.dumps({name: git_id(content) for name, content in files.items()})
        sha = hashlib.sha1(f"{model_id} {told}".encode()).hexdigest()
        self._commits[model_id, sha] = Commit(
            model_id=model_id, sha=sha, files=dict(files), gated=gated, private=private
        )
        self._branches[model_id, revision] = sha
        for name, content in files.items():
            self._files[hashlib.sha256(content).hexdigest()] = (name, content)
        return sha

    def environment(self, home: Path, *, token: str | None = None) -> dict[str, str]:
        """Return the variables that let a program use this hub and a cache of its own.

        Args:
            home: the folder for HF_HOME; the cache is `hub` in it.
            token: the token to show, if any.
        """
        variables = {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_HUB_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1",
        }
        return variables if token is None else {**variables, "HF_TOKEN": token}

    def fetched(self, name: str) -> list[str | None]:
        """Return the Range headers of the requests that a file's content was sent for."""
        return [
            request.range
            for request in self.requests
            if request.method == "GET" and _sends(request, quote(name))
        ]

    def find(self, model_id: str, revision: str) -> Commit | None:
        """Return a repository at a branch or commit."""
        sha = self._branches.get((model_id, revision), revision)
        return self._commits.get((model_id, sha))

    def has(self, model_id: str) -> bool:
        """Whether there is such a repository."""
        return any(known == model_id for known, _ in self._commits)

    def large_url(self, content: bytes, name: str) -> str:
        """Return where a large file is."""
        return f"{self._large.url}/{hashlib.sha256(content).hexdigest()}/{quote(name)}"

    def large_file(self, sha256: str) -> bytes | None:
        """Return a large file by its hash."""
        return self._files[sha256][1] if sha256 in self._files else None


def git_id(content: bytes) -> str:
    """Return the hash that git has for a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def etag(name: str, content: bytes) -> str:
    """Return the hash that a file has on the hub, and in the cache."""
    return hashlib.sha256(content).hexdigest() if name.endswith(LARGE) else git_id(content)


def _sends(request: Request, name: str) -> bool:
    path = request.path.partition("?")[0]
    if not path.endswith(f"/{name}"):
        return False
    return request.at_files or ("/resolve/" in path and not name.endswith(LARGE))


def _both(model_id: str, revision: str) -> tuple[str, str]:
    return unquote(model_id), unquote(revision)


class _Server:
    """One of the two servers, on a port of its own."""

    def __init__(self, hub: PlayedHub, *, at_files: bool) -> None:
        handler = type("Handler", (_Handler,), {"hub": hub, "at_files": at_files})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: PlayedHub
    at_files: bool
    headers: Message

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client was killed, or had enough
            super().handle()

    def _serve(self) -> None:
        self.hub.requests.append(
            Request(
                method=self.command,
                path=self.path,
                range=self.headers["Range"],
                token=self.headers["Authorization"],
                at_files=self.at_files,
            )
        )
        if failure := self.hub.faults.failure(self.path):
            self._answer(failure.status, b"", failure.headers)
            return
        path = urlsplit(self.path).path
        if self.at_files:
            sha256, _, name = path[1:].partition("/")
            content = self.hub.large_file(sha256)
            assert content is not None
            self._send_file(unquote(name), content)
        elif found := re.fullmatch(r"/api/models/(.+?)/(revision|tree)/([^/]+)(?:/.*)?", path):
            self._with(*_both(found[1], found[3]), getattr(self, f"_{found[2]}"))
        elif found := re.fullmatch(r"/api/models/(.+?)/auth-check", path):
            self._with(found[1], "main", lambda commit: self._gate(commit, self._agree))
        elif found := re.fullmatch(r"/api/models/(.+)", path):
            self._with(found[1], "main", self._revision)
        elif found := re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", path):
            resolve = functools.partial(self._resolve, unquote(found[3]))
            self._with(*_both(found[1], found[2]), lambda commit: self._gate(commit, resolve))
        else:
            self._refuse(404, "")

    @property
    def _knows_the_token(self) -> bool:
        return bool(self.headers["Authorization"] == f"Bearer {self.hub.token}")

    def _with(self, model_id: str, revision: str, then: Callable[[Commit], None]) -> None:
        commit = self.hub.find(model_id, revision)
        if commit is not None and (not commit.private or self._knows_the_token):
            then(commit)
        elif commit is None and self.hub.has(model_id):
            self._refuse(404, "RevisionNotFound")
        elif self._knows_the_token:
            self._refuse(404, "RepoNotFound")
        else:
            self._refuse(401, "")

    def _gate(self, commit: Commit, then: Callable[[Commit], None]) -> None:
        if commit.gated and not self._knows_the_token:
            self._refuse(401 if self.headers["Authorization"] is None else 403, "GatedRepo")
        else:
            then(commit)

    def _agree(self, commit: Commit) -> None:
        self._answer_json({})

    def _revision(self, commit: Commit) -> None:
        blobs = "blobs" in parse_qs(urlsplit(self.path).query)
        siblings = []
        for name, content in commit.files.items():
            sibling: dict[str, Any] = {"rfilename": name}
            if blobs:
                sibling |= {"size": len(content), "blobId": git_id(content)}
            if blobs and name.endswith(LARGE):
                sha256 = hashlib.sha256(content).hexdigest()
                sibling["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
            siblings.append(sibling)
        self._answer_json(
            {
                "_id": commit.sha[:24],
                "id": commit.model_id,
                "sha": commit.sha,
                "private": commit.private,
                "gated": "auto" if commit.gated else False,
                "siblings": siblings,
                "tags": [],
            }
        )

    def _tree(self, commit: Commit) -> None:
        entries = []
        for name, content in commit.files.items():
            entry: dict[str, Any] = {"type": "file", "path": name, "size": len(content)}
            entry["oid"] = git_id(content)
            if name.endswith(LARGE):
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 134}
            entries.append(entry)
        self._answer_json(entries)

    def _resolve(self, name: str, commit: Commit) -> None:
        content = commit.files.get(name)
        if content is None:
            self._refuse(404, "EntryNotFound")
            return
        headers = {"X-Repo-Commit": commit.sha}
        if name.endswith(LARGE):
            headers["X-Linked-Etag"] = f'"{etag(name, content)}"'
            headers["X-Linked-Size"] = str(len(content))
            headers["Location"] = self.hub.large_url(content, name)
            self._answer(302, b"", headers)
        else:
            headers["ETag"] = f'"{etag(name, content)}"'
            self._send_file(name, content, headers)

    def _send_file(
        self, name: str, content: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        faults = self.hub.faults
        begin, end = 0, len(content)
        given = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "")
        answer = {"Accept-Ranges": "bytes", **(headers or {})}
        if given and faults.knows_ranges(name):
            begin, end = int(given[1]), int(given[2]) + 1 if given[2] else end
            begin += faults.take_shift(name)
            answer["Content-Range"] = f"bytes {begin}-{end - 1}/{len(content)}"
        self._begin(206 if "Content-Range" in answer else 200, end - begin, answer)
        if self.command == "HEAD":
            return
        if faults.take_damage(name):
            content = content[: end - 1] + bytes([content[end - 1] ^ 1]) + content[end:]
        cut, hold = faults.take_truncation(name), faults.take_hold(name)
        last = end if cut is None else max(begin, min(cut, end))
        if hold is not None:
            self._send(content[begin : hold.at])
            begin = max(begin, hold.at)
            hold.wait()
        self._send(content[begin:last])
        if last < end:
            self.close_connection = True

    def _send(self, content: bytes) -> None:
        for begin in range(0, len(content), _PIECE_BYTES):
            self.wfile.write(content[begin : begin + _PIECE_BYTES])

    def _refuse(self, status: int, code: str) -> None:
        headers = {"X-Error-Code": code} if code else {}
        self._answer(status, b'{"error": "not for you"}', headers)

    def _answer_json(self, answer: Any) -> None:
        self._answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self._begin(status, len(content), headers)
        if self.command != "HEAD":
            self.wfile.write(content)

    def _begin(self, status: int, length: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
