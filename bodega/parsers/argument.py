"""An argument that a format writes as plain text, made into JSON."""

import json
import re
from collections.abc import Callable
from typing import Final

from bodega.parsers.json_scanner import JsonScanner
from bodega.parsers.python_literal import json_of

_INTEGER: Final = re.compile(r"-?[0-9]+(\.0+)?")


class Argument:
    """One value as it grows. A string leaves piece by piece, anything else when it is whole."""

    def __init__(
        self, kinds: frozenset[str], write: Callable[[str], None], *, trims_line: bool
    ) -> None:
        self._kinds = kinds
        self._write = write
        self._trims_line = trims_line
        self._streams = kinds == {"string"}
        self._scanner = None if "string" in kinds else JsonScanner()
        self._pieces: list[str] = []
        self._begun = False
        self._newline = ""

    @property
    def in_string(self) -> bool:
        """Whether what comes next is within a string of JSON, where a tag is text."""
        return self._scanner is not None and self._scanner.in_string

    def add(self, text: str) -> None:
        """Add to the value."""
        if not text:
            return
        if self._scanner is not None:
            self._scanner.feed(text)
        if not self._streams:
            self._pieces.append(text)
            return
        if not self._begun:
            self._write('"')
            self._begun = True
            if self._trims_line and text[0] == "\n":
                text = text[1:]
        text = self._newline + text
        self._newline = ""
        if self._trims_line and text.endswith("\n"):
            text, self._newline = text[:-1], "\n"
        self._write(json.dumps(text, ensure_ascii=False)[1:-1])

    def end(self) -> None:
        """The value is whole."""
        if self._streams:
            self._write('"' if self._begun else '""')
            return
        text = "".join(self._pieces)
        if self._trims_line:
            text = text.removeprefix("\n").removesuffix("\n")
        self._write(as_json(text, self._kinds))


def as_json(text: str, kinds: frozenset[str]) -> str:
    """Return a value of one of the types that a text stands for; the text itself if of none."""
    value = text.strip()
    word = value.lower()
    if "null" in kinds and word in ("null", "none"):
        return "null"
    if "boolean" in kinds and word in ("true", "false"):
        return word
    if _is_of(value, kinds):
        return value
    if value[:1] in ("[", "{") and _is_of(written := json_of(value), kinds):
        return written
    return json.dumps(text, ensure_ascii=False)


def _is_of(value: str, kinds: frozenset[str]) -> bool:
    kind = _kind(value)
    return kind in kinds or ("number" in kinds and kind == "integer")


def _kind(value: str) -> str | None:
    """Return the type of JSON, other than a string; None if it is no JSON."""
    if not value or value[0] == '"':
        return None
    scanner = JsonScanner()
    # A number ends where something else follows.
    if scanner.feed(value + " ") < len(value) or not scanner.done:
        return None
    match value[0]:
        case "{":
            return "object"
        case "[":
            return "array"
        case "t" | "f":
            return "boolean"
        case "n":
            return "null"
        case _:
            return "integer" if _INTEGER.fullmatch(value) else "number"
