"""One thing that the doctor finds."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that the doctor finds.

    Attributes:
        name: what was looked at.
        state: ``wrong`` keeps something from working, ``note`` makes it slower or is still to do.
        text: what was found.
        mend: the command that mends it, where something is to be mended.
    """

    name: str
    state: Literal["ok", "note", "wrong"] = "ok"
    text: str
    mend: str | None = None
