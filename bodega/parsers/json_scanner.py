"""JSON, checked character by character as it grows."""

import re
from typing import Final

from bodega import limits

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_STRING: Final = re.compile(r'[^"\\\x00-\x1f]*')
_DIGITS: Final = re.compile(r"[0-9]*")
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_LITERALS: Final = {"t": "rue", "f": "alse", "n": "ull"}

_NUMBER: Final[dict[str, dict[str, str]]] = {
    "minus": {"0": "zero", "9": "digits"},
    "zero": {".": "point", "e": "e"},
    "digits": {"0": "digits", "9": "digits", ".": "point", "e": "e"},
    "point": {"0": "fraction", "9": "fraction"},
    "fraction": {"0": "fraction", "9": "fraction", "e": "e"},
    "e": {"0": "exponent", "9": "exponent", "+": "sign"},
    "sign": {"0": "exponent", "9": "exponent"},
    "exponent": {"0": "exponent", "9": "exponent"},
}
_NUMBER_ENDS: Final = frozenset({"zero", "digits", "fraction", "exponent"})
_KINDS: Final = {"0": "0", ".": ".", "e": "e", "E": "e", "+": "+", "-": "+"} | dict.fromkeys(
    "123456789", "9"
)


class JsonScanner:
    """Follows one JSON value through pieces of text.

    Attributes:
        done: the value is whole. A number on its own is, when something follows that is not of it.
        failed: what came is no JSON.
    """

    def __init__(self) -> None:
        self.done = False
        self.failed = False
        self._state = "value"
        self._closers: list[str] = []
        self._in_key = False
        self._left = ""
        """What is left of a literal, of the digits of an escape; where in a number it is."""

    @property
    def in_string(self) -> bool:
        """Whether what comes next is within a string."""
        return self._state in ("string", "escape", "hex") and not self.failed

    def feed(self, text: str, at: int = 0) -> int:
        """Follow a text from a place in it; return the place up to which it is of the value."""
        end = len(text)
        while at < end and not (self.done or self.failed):
            match self._state:
                case "string":
                    at = self._string(text, at)
                case "escape":
                    at = self._escape(text, at)
                case "hex":
                    at = self._hex(text, at)
                case "literal":
                    at = self._literal(text, at)
                case "number":
                    at = self._number(text, at)
                case _:
                    at = self._structure(text, at)
        return at

    def _fail(self, at: int) -> int:
        self.failed = True
        return at

    def _structure(self, text: str, at: int) -> int:
        found = _SPACE.match(text, at)
        assert found is not None
        at = found.end()
        if at == len(text):
            return at
        char, state = text[at], self._state
        if state in ("key", "key or end") and char == '"':
            self._state, self._in_key = "string", True
        elif state in ("value", "value or end") and char != "]":
            self._value(char)
        elif state == "colon" and char == ":":
            self._state = "value"
        elif state == "comma or end" and char == ",":
            self._state = "key" if self._closers[-1] == "}" else "value"
        elif state.endswith("or end") and char == self._closers[-1]:
            self._closers.pop()
            self._ended()
        else:
            self.failed = True
        return at if self.failed else at + 1

    def _value(self, char: str) -> None:
        if char == '"':
            self._state, self._in_key = "string", False
        elif char in "{[":
            self._closers.append("}" if char == "{" else "]")
            self._state = "key or end" if char == "{" else "value or end"
            self.failed = len(self._closers) > limits.MAX_JSON_DEPTH
        elif char in _LITERALS:
            self._state, self._left = "literal", _LITERALS[char]
        elif char == "-":
            self._state, self._left = "number", "minus"
        elif char in "0123456789":
            self._state, self._left = "number", "zero" if char == "0" else "digits"
        else:
            self.failed = True

    def _ended(self) -> None:
        self._state = "comma or end"
        self.done = not self._closers

    def _string(self, text: str, at: int) -> int:
        found = _STRING.match(text, at)
        assert found is not None
        at = found.end()
        if at == len(text):
            return at
        if text[at] == "\\":
            self._state = "escape"
        elif text[at] != '"':
            return self._fail(at)
        elif self._in_key:
            self._state = "colon"
        else:
            self._ended()
        return at + 1

    def _escape(self, text: str, at: int) -> int:
        if text[at] == "u":
            self._state, self._left = "hex", "uuuu"
        elif text[at] in '"\\/bfnrt':
            self._state = "string"
        else:
            return self._fail(at)
        return at + 1

    def _hex(self, text: str, at: int) -> int:
        if text[at] not in _HEX:
            return self._fail(at)
        self._left = self._left[1:]
        if not self._left:
            self._state = "string"
        return at + 1

    def _literal(self, text: str, at: int) -> int:
        if text[at] != self._left[0]:
            return self._fail(at)
        self._left = self._left[1:]
        if not self._left:
            self._ended()
        return at + 1

    def _number(self, text: str, at: int) -> int:
        if self._left in ("digits", "fraction", "exponent"):
            found = _DIGITS.match(text, at)
            assert found is not None
            at = found.end()
            if at == len(text):
                return at
        follows = _NUMBER[self._left].get(_KINDS.get(text[at], ""))
        if follows is not None:
            self._left = follows
            return at + 1
        if self._left not in _NUMBER_ENDS:
            return self._fail(at)
        self._ended()
        return at
