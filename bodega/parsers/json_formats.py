"""Formats whose calls are JSON objects that hold the name too: hermes, llama3_json, mistral."""

import re
from typing import ClassVar, Final

from bodega.parsers.call_format import MAX_NAME_CHARS
from bodega.parsers.call_ids import SHORT
from bodega.parsers.json_calls import JsonCalls
from bodega.parsers.source import Reading

_CLOSERS: Final = re.compile(r"[\s\]}]*")
_NAME: Final = re.compile(r"[\w.-]*")
_ID: Final = re.compile(r"[\w-]*")


class Hermes(JsonCalls):
    """`<tool_call>{"name": ..., "arguments": {...}}</tool_call>`."""

    openings: ClassVar = ("<tool_call>",)
    closings: ClassVar = ("</tool_call>",)

    def read(self, opening: str) -> Reading[None]:
        """Read the calls of one pair of tags."""
        while True:
            yield from self.source.space()
            if not (yield from self.calls()):
                return
            # Models close a bracket too many at times.
            yield from self.source.match(_CLOSERS, most=MAX_NAME_CHARS)
            if (yield from self.source.expect(*self.closings)):
                self.source.forget()
                return


class Llama3Json(JsonCalls):
    """`{"name": ..., "parameters": {...}}` as all that is said; more may follow.

    The format puts semicolons between them, models also commas or nothing but space.
    """

    openings: ClassVar = ("<|python_tag|>",)
    first_openings: ClassVar = ("{",)

    def read(self, opening: str) -> Reading[None]:
        """Read calls up to something else."""
        self.is_bare = opening == "{"
        while (yield from self._read_one(opening)):
            opening = ""
            yield from self.source.space()
            yield from self.source.expect(";", ",")
            yield from self.source.space()

    def _read_one(self, opening: str) -> Reading[bool]:
        if opening == "{":
            return (yield from self.call_inside())
        yield from self.source.space()
        return (yield from self.calls())


class Mistral(JsonCalls):
    """`[TOOL_CALLS][{"name": ..., "arguments": {...}}]`, or `[TOOL_CALLS]name[ARGS]{...}`."""

    openings: ClassVar = ("[TOOL_CALLS]",)

    def open_call(self, name: str, call_id: str | None = None) -> None:
        """A call begins; an id that the template would not take back is none."""
        super().open_call(name, call_id if call_id and SHORT.fullmatch(call_id) else None)

    def read(self, opening: str) -> Reading[None]:
        """Read the list, or the calls that follow each other by their names."""
        yield from self.source.space()
        if (yield from self.source.peek()) in ("[", "{"):
            if (yield from self.calls()):
                self.source.forget()
            return
        while (yield from self._read_named()):
            yield from self.source.space()

    def _read_named(self) -> Reading[bool]:
        name = yield from self.source.match(_NAME, most=MAX_NAME_CHARS)
        if not name:
            return False
        call_id = None
        yield from self.source.space()
        if (yield from self.source.expect("[CALL_ID]")):
            call_id = yield from self.source.match(_ID, most=MAX_NAME_CHARS)
        yield from self.source.expect("[ARGS]")
        return (yield from self.named_object(name, call_id))
