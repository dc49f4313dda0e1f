"""Read and check the header of a GGUF file: metadata and where each tensor lies.

Nothing of the tensors' data is read, and what is kept in memory is bounded, whatever the file
claims.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from bodega.backends.lm.gguf.metadata import Metadata, Scalar, Value
from bodega.backends.lm.gguf.storage import KINDS, TensorKind
from bodega.errors import InvalidModel, UnsupportedModel

_Entry = TypeVar("_Entry")

_MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_MAX_ENTRIES: Final = 65_536
"""Most metadata entries or tensors; the largest models have a few thousand."""
_MAX_ELEMENTS: Final = 4_194_304
"""Most elements of all metadata arrays; a tokenizer's tokens, scores, types and merges are a
million or two."""
_MAX_HEADER_BYTES: Final = 256 * 1024 * 1024
"""Longest header; those of the largest vocabularies take some ten million bytes."""

_STRING: Final = 8
_ARRAY: Final = 9
_NUMBERS: Final[Mapping[int, str]] = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor's place and form.

    Attributes:
        shape: rows first, as MLX has it; the file tells it the other way round.
        file: the file it is in.
        position: where its data begins, in bytes from the start of that file.
    """

    kind: TensorKind
    shape: tuple[int, ...]
    file: Path
    position: int

    @property
    def weights(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """What its data takes in the file."""
        return self.weights // self.kind.block_weights * self.kind.block_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """All that a GGUF file says before its data, or the files of a model that was split."""

    metadata: Metadata
    tensors: Mapping[str, Tensor]
    files: tuple[Path, ...]

    @property
    def size_bytes(self) -> int:
        """What the data of its tensors takes."""
        return sum(tensor.size_bytes for tensor in self.tensors.values())


def read_header(file: Path) -> Header:
    """Read the header of one file and check that every tensor lies within it.

    Raises:
        InvalidModel: it is not a GGUF file, or it is damaged.
        UnsupportedModel: its version, or the storage of one of its tensors, is not known.
    """
    try:
        with file.open("rb") as stream:
            return _Reader(stream, file).header()
    except OSError as error:
        raise InvalidModel(f"The GGUF file cannot be read: {error.strerror}.") from error


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a file claims of a tensor, the offset from the start of its data section."""

    kind: TensorKind
    shape: tuple[int, ...]
    offset: int


class _Reader:
    """Takes values off the front of a file of known size."""

    def __init__(self, stream: BinaryIO, file: Path) -> None:
        self._stream = stream
        self._file = file
        self._size_bytes = file.stat().st_size
        self._left_bytes = min(self._size_bytes, _MAX_HEADER_BYTES)
        self._left_elements = _MAX_ELEMENTS

    def header(self) -> Header:
        """Read all of it and check where the tensors lie."""
        if self._left_bytes < len(_MAGIC) or self._take(len(_MAGIC)) != _MAGIC:
            raise InvalidModel("The file is not a GGUF file.")
        version = self._number("I")
        if version not in _VERSIONS:
            raise UnsupportedModel(f"The GGUF file has version {version}; 2 and 3 are known.")
        tensors = self._count(_MAX_ENTRIES, "tensors")
        entries = self._count(_MAX_ENTRIES, "metadata entries")
        metadata = Metadata(self._unique(entries, self._value))
        claims = self._unique(tensors, self._claim)
        return Header(
            metadata=metadata, tensors=self._placed(claims, metadata), files=(self._file,)
        )

    def _take(self, count_bytes: int) -> bytes:
        if count_bytes > self._left_bytes:
            if self._size_bytes > _MAX_HEADER_BYTES:
                raise InvalidModel("The GGUF file claims too long a header; it is damaged.")
            raise InvalidModel("The GGUF file is cut off in its header.")
        self._left_bytes -= count_bytes
        return self._stream.read(count_bytes)

    def _number(self, code: str) -> int | float | bool:
        value: int | float | bool = struct.unpack(f"<{code}", self._take(struct.calcsize(code)))[0]
        return value

    def _integer(self, code: str) -> int:
        return int(self._number(code))

    def _count(self, limit: int, what: str) -> int:
        count = self._integer("Q")
        if count > limit:
            raise InvalidModel(f"The GGUF file claims {count} {what}; it is damaged.")
        return count

    def _text(self) -> str:
        try:
            return self._take(self._integer("Q")).decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidModel("The GGUF file has a text that is not UTF-8.") from error

    def _unique(self, count: int, read: Callable[[], _Entry]) -> dict[str, _Entry]:
        entries: dict[str, _Entry] = {}
        for _ in range(count):
            name = self._text()
            if name in entries:
                raise InvalidModel(f"The GGUF file has {name!r} twice.")
            entries[name] = read()
        return entries

    def _value(self) -> Value:
        kind = self._integer("I")
        return self._array() if kind == _ARRAY else self._scalar(kind)

    def _scalar(self, kind: int) -> Scalar:
        if kind == _STRING:
            return self._text()
        if kind not in _NUMBERS:
            raise InvalidModel(f"The GGUF file has a value of an unknown type, {kind}.")
        return self._number(_NUMBERS[kind])

    def _array(self) -> list[Scalar]:
        kind = self._integer("I")
        count = self._count(self._left_elements, "elements of an array")
        self._left_elements -= count
        if kind not in _NUMBERS:
            return [self._scalar(kind) for _ in range(count)]
        code = f"<{count}{_NUMBERS[kind]}"
        return list(struct.unpack(code, self._take(struct.calcsize(code))))

    def _claim(self) -> _Claim:
        dimensions = self._integer("I")
        if not 1 <= dimensions <= 4:
            raise InvalidModel(f"The GGUF file has a tensor of {dimensions} dimensions.")
        shape = [self._integer("Q") for _ in range(dimensions)]
        kind_id, offset = self._integer("I"), self._integer("Q")
        kind = KINDS.get(kind_id)
        if kind is None:
            known = ", ".join(kind.name for kind in KINDS.values())
            raise UnsupportedModel(
                f"The GGUF file has a tensor of storage type {kind_id}; known are {known}."
            )
        if shape[0] % kind.block_weights:
            raise InvalidModel(f"The GGUF file has a {kind.name} tensor with a broken block.")
        return _Claim(kind, tuple(reversed(shape)), offset)

    def _placed(self, claims: Mapping[str, _Claim], metadata: Metadata) -> dict[str, Tensor]:
        alignment = metadata.integer("general.alignment", 32)
        if not 0 < alignment <= 65_536 or alignment % 8:
            raise InvalidModel(f"The GGUF file claims an alignment of {alignment} bytes.")
        start = self._stream.tell()
        start += -start % alignment
        tensors: dict[str, Tensor] = {}
        for name, claim in claims.items():
            tensor = Tensor(
                kind=claim.kind,
                shape=claim.shape,
                file=self._file,
                position=start + claim.offset,
            )
            if not tensor.weights or claim.offset % alignment:
                raise InvalidModel(f"The GGUF file's tensor {name!r} is damaged.")
            if tensor.position + tensor.size_bytes > self._size_bytes:
                raise InvalidModel(f"The GGUF file is cut off: {name!r} is not all there.")
            tensors[name] = tensor
        _check_apart(tensors)
        return tensors


def _check_apart(tensors: Mapping[str, Tensor]) -> None:
    in_order = sorted(tensors.items(), key=lambda item: item[1].position)
    for (one, before), (other, after) in pairwise(in_order):
        if before.position + before.size_bytes > after.position:
            raise InvalidModel(f"The GGUF file's tensors {one!r} and {other!r} overlap.")
