"""What a GGUF file says of its model, for people."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from gguf.constants import LlamaFileType

from bodega.backends.lm.gguf.architecture import ARCHITECTURES
from bodega.backends.lm.gguf.header import Header
from bodega.backends.lm.gguf.parts import read_model_header


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufSummary:
    """What a file says of its model.

    Attributes:
        known: whether its architecture is one of those that can be imported.
        name: the model's own name, else the file's.
        parameters: how many weights it has.
        quantization: how most of them are stored, for example "Q4_K_M".
        context_length: most tokens of a conversation it was made for, if the file tells.
        size_bytes: what its weights take in the file.
        files: the files of the model, several if it is split.
    """

    architecture: str
    known: bool
    name: str
    parameters: int
    quantization: str
    context_length: int | None
    size_bytes: int
    files: tuple[Path, ...]


def read_gguf_summary(file: Path) -> GgufSummary:
    """Read what a GGUF file says of its model. Only its header is read, and checked.

    Raises:
        InvalidModel: it is not a GGUF file, it is damaged, or a part of it is missing.
        UnsupportedModel: its version, or the storage of one of its tensors, is not known.
    """
    header = read_model_header(file)
    metadata = header.metadata
    architecture = metadata.text("general.architecture")
    context_length = metadata.integer(f"{architecture}.context_length", 0)
    return GgufSummary(
        architecture=architecture,
        known=architecture in ARCHITECTURES,
        name=metadata.text("general.name", "") or file.stem,
        parameters=sum(tensor.weights for tensor in header.tensors.values()),
        quantization=_quantization(header),
        context_length=context_length if context_length > 0 else None,
        size_bytes=header.size_bytes,
        files=header.files,
    )


def _quantization(header: Header) -> str:
    """Return the name that people give the file's mix of storage, else the commonest kind."""
    try:
        kind = LlamaFileType(header.metadata.integer("general.file_type", -1))
        return kind.name.removeprefix("MOSTLY_").removeprefix("ALL_")
    except ValueError:
        weights: Counter[str] = Counter()
        for tensor in header.tensors.values():
            weights[tensor.kind.name] += tensor.weights
        return weights.most_common(1)[0][0] if weights else "F32"
