"""Make a Hugging Face cache as the hub's own client lays it out: blobs, links to them, a ref."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"

CONFIG = b'{"model_type": "qwen3"}'


def add_model(
    cache: Path,
    model_id: str,
    files: Mapping[str, bytes],
    *,
    commit: str = COMMIT,
    unfinished: Mapping[str, bytes] | None = None,
    main: bool = True,
) -> Path:
    """Put a model into the cache and return its snapshot.

    Args:
        cache: the cache's folder.
        model_id: as the hub has it.
        files: content by name.
        commit: the revision.
        unfinished: content so far of files being fetched, by the name of the blob.
        main: whether the main branch is at this revision.
    """
    repository = cache / f"models--{model_id.replace('/', '--')}"
    snapshot, blobs = repository / "snapshots" / commit, repository / "blobs"
    for folder in (snapshot, blobs, repository / "refs"):
        folder.mkdir(parents=True, exist_ok=True)
    if main:
        (repository / "refs" / "main").write_text(commit)
    for name, content in files.items():
        blob = blobs / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / name).symlink_to(blob)
    for name, content in (unfinished or {}).items():
        (blobs / f"{name}.incomplete").write_bytes(content)
    return snapshot


def index(shards: Mapping[str, int], total_bytes: int | None = None) -> bytes:
    """Return an index that names weight files of these sizes."""
    weights = {f"layer.{number}.weight": name for number, name in enumerate(shards)}
    total = sum(shards.values()) if total_bytes is None else total_bytes
    return json.dumps({"metadata": {"total_size": total}, "weight_map": weights}).encode()
