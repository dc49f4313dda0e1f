"""Calls that are JSON objects with a name and arguments."""

import json
import re
from typing import Final

from bodega.parsers.call_format import MAX_NAME_CHARS, CallFormat
from bodega.parsers.json_scanner import JsonScanner
from bodega.parsers.source import Reading

_KEYS: Final = ("name", "function", "arguments", "parameters", "id", "type")
"""What a call on its own may hold: an answer in JSON is known by its first other key."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class JsonCalls(CallFormat):
    """Reads objects, or lists of them."""

    is_bare = False
    """Nothing but the object itself says that it is a call: it needs arguments and a known name."""

    def calls(self) -> Reading[bool]:
        """Read one call or a list of them; return whether it is whole."""
        if not (yield from self.source.expect("[")):
            return (yield from self.call())
        return (yield from self.calls_inside())

    def calls_inside(self) -> Reading[bool]:
        """Read a list of calls after its first bracket; return whether it is whole."""
        while True:
            yield from self.source.space()
            if not (yield from self.call()):
                return False
            yield from self.source.space()
            match (yield from self.source.expect(",", "]")):
                case "]":
                    return True
                case None:
                    return False

    def call(self) -> Reading[bool]:
        """Read one call; return whether it is whole."""
        if not (yield from self.source.expect("{")):
            return False
        return (yield from self.call_inside())

    def call_inside(self) -> Reading[bool]:
        """Read one call after its first brace; return whether it is whole."""
        reading = _Object(self)
        while True:
            yield from self.source.space()
            if not (yield from reading.member()):
                return False
            yield from self.source.space()
            match (yield from self.source.expect(",", "}")):
                case "}":
                    return reading.end()
                case None:
                    return False

    def text(self) -> Reading[str | None]:
        """Read a JSON string and return what it says; None if it is none."""
        if (yield from self.source.peek()) != '"':
            return None
        pieces: list[str] = []
        if not (yield from self.value(pieces.append)):
            return None
        text = str(json.loads("".join(pieces)))
        # Half of a character, as an escape may write it, can be passed on to nobody.
        return None if _SURROGATE.search(text) else text


class _Object:
    """An object that may be a call, member by member."""

    def __init__(self, calls: JsonCalls) -> None:
        self._calls = calls
        self._name: str | None = None
        self._id: str | None = None
        self._arguments: list[str] | None = None
        self._opened = False

    def member(self) -> Reading[bool]:
        """Read one member; return whether the object may still be a call."""
        calls = self._calls
        source = calls.source
        key = yield from calls.text()
        if key is None or (calls.is_bare and key not in _KEYS):
            return False
        yield from source.space()
        if not (yield from source.expect(":")):
            return False
        yield from source.space()
        match key:
            case "name" | "function" if (yield from source.peek()) == '"':
                return (yield from self._read_name())
            case "arguments" | "parameters":
                return (yield from self._read_arguments())
            case "id" if (yield from source.peek()) == '"':
                self._id = yield from calls.text()
                return self._id is not None
            case _:
                return (yield from calls.value(lambda _: None))

    def _read_name(self) -> Reading[bool]:
        name = yield from self._calls.text()
        if name is None or len(name) > MAX_NAME_CHARS or self._name is not None:
            return False
        if not self._calls.tools.accepts(name):
            return False
        if self._calls.is_bare and not self._calls.tools.may_be(name):
            return False
        self._name = name
        if self._arguments is not None:
            self._open()
            self._calls.writer.arguments("".join(self._arguments))
        return True

    def _read_arguments(self) -> Reading[bool]:
        if self._arguments is not None:
            return False
        first = yield from self._calls.source.peek()
        if first != "{":
            return (yield from self._read_other(first))
        self._arguments = []
        if self._name is None:
            return (yield from self._calls.value(self._arguments.append))
        self._open()
        return (yield from self._calls.value(self._calls.writer.arguments))

    def _read_other(self, first: str) -> Reading[bool]:
        """Read arguments that are null, or the JSON of an object in a string."""
        if first == '"':
            text = yield from self._calls.text()
        elif (yield from self._calls.source.expect("null")):
            text = "{}"
        else:
            return False
        scanner = JsonScanner()
        if not text or text[0] != "{" or scanner.feed(text) < len(text) or not scanner.done:
            return False
        self._arguments = [text]
        if self._name is not None:
            self._open()
            self._calls.writer.arguments(text)
        return True

    def _open(self) -> None:
        assert self._name is not None
        self._opened = True
        self._calls.open_call(self._name, self._id)

    def end(self) -> bool:
        """The object is whole; return whether it is a call."""
        if not self._opened:
            if self._name is None or self._calls.is_bare:
                return False
            self._open()
            self._calls.writer.arguments("{}")
        self._calls.close_call()
        return True
