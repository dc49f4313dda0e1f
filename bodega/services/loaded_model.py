"""A model that answers, and how it was loaded."""

from dataclasses import dataclass
from pathlib import Path

from bodega.config import LoadParameters
from bodega.engine.text_resident import TextResident
from bodega.services.uses import Use

CURRENT = "current"
"""The name that means the loaded model, whatever it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model that answers.

    Attributes:
        folder: where its files are.
        loaded_at: seconds since 1970.
        reasoning_parser: the name of what tells thinking from the answer, or "none".
        tool_call_parser: the name of what tells tool calls from text, or "none".
        load_seconds: how long loading took, the old model's draining included.
        use: keeps its files from being removed.
    """

    model_id: str
    folder: Path
    parameters: LoadParameters
    resident: TextResident
    reasoning_parser: str
    tool_call_parser: str
    loaded_at: int
    load_seconds: float
    use: Use

    @property
    def context_length(self) -> int:
        """Most tokens of prompt and answer together."""
        return self.resident.info.context_length

    def answers_to(self, name: str) -> bool:
        """Whether a request that names this model means it."""
        return name in (CURRENT, self.model_id, self.parameters.model_path)
