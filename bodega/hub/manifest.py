"""What a repository holds at one commit: names, sizes and hashes. Read from untrusted answers."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

from bodega.errors import InvalidModel, quoted
from bodega.limits import MAX_REPOSITORY_FILES

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_GIT_ID: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_TREE_VERSION: Final = 1


class Digest(Protocol):
    """A hash that grows."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""

    def hexdigest(self) -> str:
        """Return the hash so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryFile:
    """A file of a repository.

    Attributes:
        name: its path in the repository, with slashes; leads nowhere else.
        git_id: the hash that git has for it, or for what stands for it if it is large.
        sha256: the hash of a large file's content; None for small ones, which git has itself.
    """

    name: str
    size_bytes: int
    git_id: str
    sha256: str | None

    @property
    def blob(self) -> str:
        """The hash of its content, which is its name among the cache's blobs."""
        return self.sha256 or self.git_id

    def digest(self) -> Digest:
        """Return a hash that has this file's once it has seen its content."""
        if self.sha256 is not None:
            return hashlib.sha256()
        digest = hashlib.sha1(usedforsecurity=False)  # git's own
        digest.update(b"blob %d\0" % self.size_bytes)
        return digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The files of a repository at one commit, by name.

    Attributes:
        is_gated: whether its owner wants to be asked first.
    """

    commit: str
    files: Mapping[str, RepositoryFile]
    is_gated: bool = False


class NotAManifest(ValueError):
    """What was read does not tell what a repository holds."""


def manifest_of(commit: Any, files: Iterable[RepositoryFile], *, is_gated: bool) -> Manifest:
    """Return a manifest whose names and hashes are safe to make paths of.

    Raises:
        NotAManifest: the commit or a hash is none, or a size is missing.
        InvalidModel: a name would lead out of the repository.
    """
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise NotAManifest("commit")
    by_name: dict[str, RepositoryFile] = {}
    for file in files:
        if len(by_name) >= MAX_REPOSITORY_FILES:
            raise NotAManifest("too many files")
        _check(file)
        by_name[file.name] = file
    return Manifest(commit=commit, files=by_name, is_gated=is_gated)


def write_tree(manifest: Manifest) -> bytes:
    """Return a manifest as huggingface_hub keeps it in trees/COMMIT.json."""
    files = {}
    for name, file in sorted(manifest.files.items()):
        files[name] = {"size": file.size_bytes, "blob_id": file.git_id}
        if file.sha256 is not None:
            files[name] |= {"lfs_sha256": file.sha256, "lfs_size": file.size_bytes}
    return json.dumps({"format_version": _TREE_VERSION, "files": files}, indent=1).encode()


def read_tree(commit: str, content: bytes) -> Manifest | None:
    """Return the manifest that such a file holds, or None if it holds none."""
    try:
        tree = orjson.loads(content)
        if tree["format_version"] != _TREE_VERSION:
            return None
        files = [
            RepositoryFile(
                name=name,
                size_bytes=entry["size"],
                git_id=entry["blob_id"],
                sha256=entry.get("lfs_sha256"),
            )
            for name, entry in tree["files"].items()
        ]
        return manifest_of(commit, files, is_gated=False)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, InvalidModel):
        return None


def _check(file: RepositoryFile) -> None:
    if not isinstance(file.name, str) or not _stays_inside(file.name):
        raise InvalidModel(
            f"The repository has a file named {quoted(str(file.name))}, which would be written "
            "outside of the model's folder. Nothing of it is downloaded.",
            param="model_path",
        )
    if type(file.size_bytes) is not int or file.size_bytes < 0:
        raise NotAManifest("size")
    if not isinstance(file.git_id, str) or not _GIT_ID.fullmatch(file.git_id):
        raise NotAManifest("git id")
    if file.sha256 is not None and not (
        isinstance(file.sha256, str) and _SHA256.fullmatch(file.sha256)
    ):
        raise NotAManifest("sha256")


def _stays_inside(name: str) -> bool:
    return not set("\\\0:") & set(name) and all(
        part not in ("", ".", "..") for part in name.split("/")
    )
