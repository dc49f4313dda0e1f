"""Which model was loaded, kept in a file for the core that comes after this one.

The file also counts the cores in a row that held the model and have not shown yet that it can
be served: one that ends its core again and again is left out in the end.
"""

import json
import logging
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from bodega.config import LoadParameters
from bodega.errors import quoted
from bodega.limits import MAX_DEATHS_OF_MODEL

logger = logging.getLogger(__name__)

_FRESH: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the file holds.

    Attributes:
        load: how the model was asked for.
        unproven: cores in a row, the living one included, that held it to no avail so far.
    """

    load: LoadParameters
    unproven: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Revival:
    """What a core loads when it starts: a model, or none and perhaps a reason why."""

    load: LoadParameters | None = None
    reason: str | None = None


class StateFile:
    """The file; without a path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._record: Record | None = None

    def revive(self, load: LoadParameters | None) -> Revival:
        """Return what a core that starts loads: what the one before held, else what is asked.

        Its attempt is written down before it is made, so that a death in it counts.
        """
        record = self._read() or (Record(load=load, unproven=0) if load is not None else None)
        if record is None:
            return Revival()
        if record.unproven >= MAX_DEATHS_OF_MODEL:
            self.forget()
            return Revival(
                reason=f"The model {quoted(record.load.model_path)} ended the core "
                f"{record.unproven} times in a row and was left out. Loading it again is possible."
            )
        self._write(replace(record, unproven=record.unproven + 1))
        return Revival(load=record.load)

    def remember(self, load: LoadParameters) -> None:
        """Keep a model that has just been loaded."""
        record = self._record
        if record is None or record.load != load or record.unproven == 0:
            self._write(Record(load=load, unproven=1))

    def prove(self) -> None:
        """Note that the model can be served: the deaths before count no more."""
        if self._record is not None and self._record.unproven:
            self._write(replace(self._record, unproven=0))

    def forget(self) -> None:
        """Keep no model."""
        self._record = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _read(self) -> Record | None:
        if self._path is None or not self._path.exists():
            return None
        try:
            content = json.loads(self._path.read_bytes())
            load = LoadParameters(**{name: _frozen(it) for name, it in content["load"].items()})
            return Record(load=load, unproven=int(content["unproven"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            logger.warning("the state file cannot be read; no model is loaded from it")
            return None

    def _write(self, record: Record) -> None:
        self._record = record
        if self._path is None:
            return
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            with os.fdopen(os.open(new, _FRESH, 0o600), "w") as file:
                json.dump(asdict(record), file)
            os.replace(new, self._path)
        except OSError as error:
            logger.error("the state file cannot be written: %s", error.strerror)  # noqa: TRY400


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
