"""Models that are split into several GGUF files."""

import re
from pathlib import Path
from typing import Final

from bodega.backends.lm.gguf.header import Header, Tensor, read_header
from bodega.errors import InvalidModel

_MAX_PARTS: Final = 1_000
"""Most files that a model may be split into."""


def read_model_header(file: Path) -> Header:
    """Read the header of a model, which may be split into several files.

    Any of its files may be given; the others must lie beside it.

    Raises:
        InvalidModel: it is not a GGUF file, it is damaged, or a part of it is missing.
        UnsupportedModel: its version, or the storage of one of its tensors, is not known.
    """
    header = read_header(file)
    count = header.metadata.integer("split.count", 1)
    if count == 1:
        return header
    return _joined([read_header(part) for part in _part_files(file, count)])


def _part_files(file: Path, count: int) -> list[Path]:
    found = re.fullmatch(r"(.*)-\d{5}-of-(\d{5})(\.gguf)", file.name, re.IGNORECASE)
    if found is None or int(found[2]) != count or not 1 < count <= _MAX_PARTS:
        raise InvalidModel(
            f"The GGUF file is one of {count} parts of a model, but not named like one: "
            "NAME-00001-of-00003.gguf. Give the parts their names back, or merge them with "
            "'llama-gguf-split --merge'."
        )
    files = [
        file.with_name(f"{found[1]}-{part:05}-of-{count:05}{found[3]}")
        for part in range(1, count + 1)
    ]
    if missing := [part.name for part in files if not part.is_file()]:
        raise InvalidModel(
            f"The model is split into {count} GGUF files, and {missing[0]!r} is not beside the "
            f"others ({len(missing)} missing)."
        )
    return files


def _joined(headers: list[Header]) -> Header:
    """Return the header of all parts together. The first one has the metadata."""
    metadata = headers[0].metadata
    tensors: dict[str, Tensor] = {}
    for at, header in enumerate(headers):
        place = (header.metadata.integer("split.no"), header.metadata.integer("split.count", 1))
        if place != (at, len(headers)) or tensors.keys() & header.tensors.keys():
            raise InvalidModel(
                f"The GGUF file {header.files[0].name!r} is not a part of this model."
            )
        tensors |= header.tensors
    if metadata.integer("split.tensors.count", len(tensors)) != len(tensors):
        raise InvalidModel("The model's GGUF files have not all of its tensors.")
    files = tuple(file for header in headers for file in header.files)
    return Header(metadata=metadata, tensors=tensors, files=files)
