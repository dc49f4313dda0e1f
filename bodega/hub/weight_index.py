"""The index of a model's weights: which files hold them. Read from untrusted files."""

from dataclasses import dataclass
from math import inf
from typing import Any

import orjson

from bodega.limits import MAX_INDEX_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """The weight files that a model's index names.

    Attributes:
        total_bytes: how many bytes of weights they hold, if the index says so.
        parameters: how many weights, quantized ones counted singly, if it says so.
    """

    names: frozenset[str]
    total_bytes: int | None
    parameters: int | None


def parse_index(content: bytes) -> Shards | None:
    """Return what an index says, or None if it is damaged."""
    if len(content) > MAX_INDEX_BYTES:
        return None
    try:
        index = orjson.loads(content)
        names = frozenset(index["weight_map"].values())
        metadata = index.get("metadata")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if not names or not all(map(_is_plain_name, names)):
        return None
    metadata = metadata if isinstance(metadata, dict) else {}
    return Shards(
        names=names,
        total_bytes=_count(metadata.get("total_size")),
        parameters=_count(metadata.get("total_parameters")),
    )


def _is_plain_name(name: Any) -> bool:
    return isinstance(name, str) and name not in ("", ".", "..") and not set("/\\\0") & set(name)


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and 0 < value < inf else None
