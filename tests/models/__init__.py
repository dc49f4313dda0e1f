"""Small models for tests: one trained and committed, one random of each family made on demand."""

from pathlib import Path
from typing import Final

from tests.models.families import FAMILIES, family_model
from tests.models.transcripts import CHOICES, ENDLESS, ENDLESS_UNIT, TRANSCRIPTS, Choice, Transcript

TINY_CHAT: Final = Path(__file__).parent / "data" / "tiny-chat"
"""Folder of the trained model: Qwen3 architecture, float32, context 4096."""


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the content of a model's files, by name."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


__all__ = [
    "CHOICES",
    "ENDLESS",
    "ENDLESS_UNIT",
    "FAMILIES",
    "TINY_CHAT",
    "TRANSCRIPTS",
    "Choice",
    "Transcript",
    "family_model",
    "files_of",
]
