"""The comments of the contract, by the full name of what they stand above."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

from google.protobuf.descriptor_pb2 import FileDescriptorProto

_KINDS = {
    ("file", 4): "message_type",
    ("file", 5): "enum_type",
    ("file", 6): "service",
    ("message_type", 2): "field",
    ("message_type", 3): "nested_type",
    ("message_type", 4): "enum_type",
    ("enum_type", 2): "value",
    ("service", 2): "method",
}
"""Which list a field number names in a descriptor's source path, by the kind it stands in."""


def comments_of(files: Iterable[FileDescriptorProto]) -> dict[str, str]:
    """Return the leading comment of every message, field, enum, value, service and RPC.

    A value's full name holds its enum's, as in ``bodega.v1.Role.ROLE_USER``.
    """
    return {name: _unwrapped(text) for file in files for name, text in _located(file) if text}


def _located(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    for location in file.source_code_info.location:
        if (name := _name(file, list(location.path))) is not None:
            yield name, location.leading_comments


def _name(file: FileDescriptorProto, path: list[int]) -> str | None:
    """Return the full name at a source path, None for what has none, such as an option."""
    if not path or len(path) % 2:
        return None
    names, kind, holder = [file.package], "file", cast("Any", file)
    for number, index in zip(path[::2], path[1::2], strict=True):
        attribute = _KINDS.get((kind, number))
        if attribute is None:
            return None
        holder = getattr(holder, attribute)[index]
        kind = "message_type" if attribute == "nested_type" else attribute
        names.append(holder.name)
    return ".".join(names)


def _unwrapped(comment: str) -> str:
    """Return a comment's text with the lines of each paragraph joined; lists stay lists."""
    paragraphs: list[str] = []
    for line in comment.splitlines():
        text = line.strip()
        if not text or text.startswith("- "):
            paragraphs.append(text)
        elif paragraphs and paragraphs[-1]:
            paragraphs[-1] += f" {text}"
        else:
            paragraphs.append(text)
    return "\n".join(paragraphs).strip()
