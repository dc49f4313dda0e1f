"""Lists and objects as Python writes them, made into JSON.

Some chat templates show the lists of earlier calls so, and models do as they are shown.
"""

import re
from typing import Final

_PIECE: Final = re.compile(
    r"""'(?P<single>(?:[^'\\]|\\(?:.|\Z))*)(?:'|\Z)"""
    r"""|"(?P<double>(?:[^"\\]|\\(?:.|\Z))*)(?:"|\Z)|\b(?P<word>True|False|None)\b""",
    re.DOTALL,
)
"""A string or a word. A string that nothing closes goes to the end: each is read once."""

_IN_STRING: Final = re.compile(r"\\x([0-9a-fA-F]{2})|\\.|[\"\n\r\t]", re.DOTALL)
_WORDS: Final = {"True": "true", "False": "false", "None": "null"}
_ESCAPES: Final = {"\\'": "'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def json_of(text: str) -> str:
    """Return a text with Python's strings and words as JSON has them; the rest stays as it is."""
    return _PIECE.sub(_piece, text)


def _piece(found: re.Match[str]) -> str:
    if word := found["word"]:
        return _WORDS[word]
    body = found["double"] if found["single"] is None else found["single"]
    return f'"{_IN_STRING.sub(_character, body)}"'


def _character(found: re.Match[str]) -> str:
    if code := found[1]:
        return f"\\u00{code}"
    return _ESCAPES.get(found[0], found[0])
