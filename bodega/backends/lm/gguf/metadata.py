"""The facts a GGUF file tells of its model, by key, with the type that is wanted of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bodega.errors import InvalidModel

Scalar = int | float | bool | str
Value = Scalar | Sequence[Scalar]

_Wanted = TypeVar("_Wanted")


@dataclass(frozen=True, slots=True)
class Metadata:
    """The key-value pairs of a GGUF file.

    Every getter raises InvalidModel, naming the key, where the value is of another type, or is
    missing and there is no default.
    """

    values: Mapping[str, Value]

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text."""
        return self._get(key, str, default)

    def integer(self, key: str, default: int | None = None) -> int:
        """Return a whole number."""
        return self._get(key, int, default)

    def number(self, key: str, default: float | None = None) -> float:
        """Return a number; the file keeps 32 bits of it."""
        return self._get(key, float, default)

    def flag(self, key: str, default: bool | None = None) -> bool:
        """Return a yes or no."""
        return self._get(key, bool, default)

    def texts(self, key: str) -> list[str]:
        """Return a list of texts."""
        return self._list(key, str)

    def integers(self, key: str) -> list[int]:
        """Return a list of whole numbers."""
        return self._list(key, int)

    def numbers(self, key: str) -> list[float]:
        """Return a list of numbers."""
        return self._list(key, float)

    def _get(self, key: str, wanted: type[_Wanted], default: _Wanted | None) -> _Wanted:
        value = self.values.get(key, default)
        # A bool is an int to isinstance, but not to the file.
        if not isinstance(value, wanted) or isinstance(value, bool) != (wanted is bool):
            problem = "has the wrong type" if key in self.values else "is missing"
            raise InvalidModel(f"The GGUF file's {key} {problem}.")
        return value

    def _list(self, key: str, wanted: type[_Wanted]) -> list[_Wanted]:
        value = self.values.get(key)
        if not isinstance(value, list) or not all(type(item) is wanted for item in value):
            problem = "has the wrong type" if key in self.values else "is missing"
            raise InvalidModel(f"The GGUF file's {key} {problem}.")
        return value
