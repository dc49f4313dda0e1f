"""What is written down of a repository is read back, and nothing else is taken for it."""

import json
from typing import Any

import pytest

from bodega.hub.manifest import RepositoryFile, manifest_of, read_tree, write_tree

COMMIT = "a" * 40
SMALL = RepositoryFile(name="config.json", size_bytes=3, git_id="b" * 40, sha256=None)
LARGE = RepositoryFile(name="sub/w.safetensors", size_bytes=9, git_id="c" * 40, sha256="d" * 64)


def test_it_is_read_as_it_was_written() -> None:
    manifest = manifest_of(COMMIT, [SMALL, LARGE], is_gated=False)
    assert read_tree(COMMIT, write_tree(manifest)) == manifest


def test_the_hashes_are_those_of_git_and_of_its_large_files() -> None:
    digest = RepositoryFile(name="a", size_bytes=6, git_id="b" * 40, sha256=None).digest()
    digest.update(b"hello\n")
    assert digest.hexdigest() == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert (SMALL.blob, LARGE.blob) == ("b" * 40, "d" * 64)


def _tree(**changed: Any) -> bytes:
    entry = {"size": 3, "blob_id": "b" * 40, **changed}
    return json.dumps({"format_version": 1, "files": {"config.json": entry}}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format_version": 2, "files": {}}',
        b'{"format_version": 1, "files": []}',
        b'{"format_version": 1, "files": {"../x": {"size": 1, "blob_id": "%s"}}}' % (b"b" * 40),
        b"[" * 100_000,
        _tree(size=-1),
        _tree(size=1.5),
        _tree(size=True),
        _tree(size=None),
        _tree(blob_id="../x"),
        _tree(blob_id=5),
        _tree(lfs_sha256="short"),
    ],
)
def test_what_is_none_is_not_taken_for_one(content: bytes) -> None:
    assert read_tree(COMMIT, content) is None


@pytest.mark.parametrize("commit", ["", "main", "A" * 40, "../" + "a" * 37])
def test_what_is_no_commit_names_none(commit: str) -> None:
    assert read_tree(commit, _tree()) is None
