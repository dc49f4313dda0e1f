"""Gemma's formats: `call:name{key:value}` with strings between tags of their own, and JSON."""

import json
import re
from typing import ClassVar, Final

from bodega import limits
from bodega.parsers.argument import as_json
from bodega.parsers.call_format import MAX_NAME_CHARS
from bodega.parsers.json_calls import JsonCalls
from bodega.parsers.source import Reading, Source, Tags
from bodega.parsers.tools import KINDS, Tools
from bodega.parsers.writer import Writer

_NAME: Final = re.compile(r"[\w.-]*")
_KEY: Final = re.compile(r"[^:,<>{}\[\]]*")
_WORD: Final = re.compile(r"[^,<{}\[\]]*")
_MAX_WORD_CHARS: Final = 4096
"""Longest value that is neither text between tags nor made of others."""

_QUOTES: Final = {
    "<start_function_call>": ("<escape>", "<end_function_call>"),
    "<|tool_call>": ('<|"|>', "<tool_call|>"),
}


class Gemma(JsonCalls):
    """Reads Function Gemma's and Gemma 4's calls, and the JSON that Gemma 3 is asked for."""

    openings: ClassVar = tuple(_QUOTES)
    closings: ClassVar = tuple(closing for _, closing in _QUOTES.values())
    first_openings: ClassVar = ("```tool_code", "```tool_call", "```json", "{", "[")

    def __init__(
        self, source: Source, writer: Writer, tools: Tools, markers: frozenset[str]
    ) -> None:
        super().__init__(source, writer, tools, markers)
        self._quote_ends = {quote: Tags([quote], markers) for quote, _ in _QUOTES.values()}

    def read(self, opening: str) -> Reading[None]:
        """Read the call of one pair of tags, or JSON."""
        if opening not in _QUOTES:
            yield from self._read_json(opening)
            return
        quote, closing = _QUOTES[opening]
        yield from self.source.space()
        if not (yield from self.source.expect("call:")):
            return
        name = yield from self.source.match(_NAME, most=MAX_NAME_CHARS)
        if name is None or not self.tools.accepts(name):
            return
        if not (yield from self.source.expect("{")):
            return
        self.open_call(name)
        if not (yield from self._object(quote, 1)):
            return
        self.close_call()
        yield from self.source.space()
        if (yield from self.source.expect(closing)):
            self.source.forget()

    def _read_json(self, opening: str) -> Reading[None]:
        self.is_bare = True
        if opening == "{":
            yield from self.call_inside()
        elif opening == "[":
            if (yield from self.calls_inside()):
                self.source.forget()
        else:
            yield from self.source.space()
            if not (yield from self.calls()):
                return
            yield from self.source.space()
            if (yield from self.source.expect("```")):
                self.source.forget()

    def _object(self, quote: str, depth: int) -> Reading[bool]:
        """Read an object after its first brace; return whether it is whole."""
        self.writer.arguments("{")
        separator = ""
        yield from self.source.space()
        if not (yield from self.source.expect("}")):
            while True:
                key = yield from self._key(quote)
                if key is None:
                    return False
                self.writer.arguments(f"{separator}{key}: ")
                if not (yield from self._value(quote, depth)):
                    return False
                yield from self.source.space()
                tag = yield from self.source.expect(",", "}")
                if tag != ",":
                    break
                separator = ", "
            if tag is None:
                return False
        self.writer.arguments("}")
        return True

    def _key(self, quote: str) -> Reading[str | None]:
        yield from self.source.space()
        is_quoted = yield from self.source.expect(quote)
        key = yield from self.source.match(_KEY, most=MAX_NAME_CHARS)
        if is_quoted and not (yield from self.source.expect(quote)):
            return None
        if not key or not (yield from self.source.expect(":")):
            return None
        return json.dumps(key.strip().strip('"'), ensure_ascii=False)

    def _list(self, quote: str, depth: int) -> Reading[bool]:
        """Read a list after its first bracket; return whether it is whole."""
        self.writer.arguments("[")
        yield from self.source.space()
        tag = yield from self.source.expect("]")
        while tag is None:
            if not (yield from self._value(quote, depth)):
                return False
            yield from self.source.space()
            match (yield from self.source.expect(",", "]")):
                case ",":
                    self.writer.arguments(", ")
                case None:
                    return False
                case tag:
                    pass
        self.writer.arguments("]")
        return True

    def _value(self, quote: str, depth: int) -> Reading[bool]:
        yield from self.source.space()
        match (yield from self.source.expect("{", "[", quote)):
            case "{":
                return depth < limits.MAX_JSON_DEPTH and (yield from self._object(quote, depth + 1))
            case "[":
                return depth < limits.MAX_JSON_DEPTH and (yield from self._list(quote, depth + 1))
            case None:
                word = yield from self.source.match(_WORD, most=_MAX_WORD_CHARS)
                if word:
                    self.writer.arguments(as_json(word.strip(), KINDS))
                return bool(word)
        return (yield from self._string(quote))

    def _string(self, quote: str) -> Reading[bool]:
        self.writer.arguments('"')
        while True:
            text, tag = yield from self.source.until(self._quote_ends[quote])
            self.writer.arguments(json.dumps(text, ensure_ascii=False)[1:-1])
            if tag is not None:
                self.writer.arguments('"')
                return True
            if self.source.exhausted:
                return False
