"""Formats whose calls stand in a section between control tokens: kimi_k2, deepseek_v3."""

import re
from abc import abstractmethod
from typing import ClassVar, Final

from bodega.parsers.call_format import MAX_NAME_CHARS, CallFormat
from bodega.parsers.source import Reading

_ID: Final = re.compile(r"[^<>\s]*")
_NAME: Final = re.compile(r"[^<>\s{}`]*")
_NUMBER: Final = re.compile(r":[0-9]+$")


class SectionFormat(CallFormat):
    """Reads a section call by call.

    Attributes:
        call_opening: what each call begins with.
    """

    call_opening: ClassVar[str]

    def read(self, opening: str) -> Reading[None]:
        """Read the calls of one section, or those that stand without one."""
        tag: str | None = opening
        if tag != self.call_opening:
            yield from self.source.space()
            tag = yield from self.source.expect(self.call_opening)
        while tag == self.call_opening:
            if not (yield from self._call()):
                return
            yield from self.source.space()
            tag = yield from self.source.expect(self.call_opening, *self.closings)
        if tag is not None:
            self.source.forget()

    @abstractmethod
    def _call(self) -> Reading[bool]:
        """Read a call after its opening; return whether it is whole."""


class KimiK2(SectionFormat):
    """Calls by ids, `functions.name:0`, with their arguments in JSON."""

    openings: ClassVar = ("<|tool_calls_section_begin|>", "<|tool_call_begin|>")
    closings: ClassVar = ("<|tool_calls_section_end|>",)
    call_opening: ClassVar = "<|tool_call_begin|>"

    def _call(self) -> Reading[bool]:
        yield from self.source.space()
        call_id = yield from self.source.match(_ID, most=MAX_NAME_CHARS)
        yield from self.source.space()
        if not call_id or not (yield from self.source.expect("<|tool_call_argument_begin|>")):
            return False
        name = _NUMBER.sub("", call_id).removeprefix("functions.")
        if not (yield from self.named_object(name, call_id)):
            return False
        yield from self.source.space()
        if (yield from self.source.expect("<|tool_call_end|>")):
            self.source.forget()
        return True


class DeepseekV3(SectionFormat):
    """Calls by names; V3 and R1 say their kind before, and fence the arguments as code."""

    openings: ClassVar = ("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>")
    closings: ClassVar = ("<｜tool▁calls▁end｜>",)
    call_opening: ClassVar = "<｜tool▁call▁begin｜>"

    def _call(self) -> Reading[bool]:
        yield from self.source.space()
        name = yield from self.source.match(_NAME, most=MAX_NAME_CHARS)
        yield from self.source.space()
        if not name or not (yield from self.source.expect("<｜tool▁sep｜>")):
            return False
        yield from self.source.space()
        if name == "function" and (yield from self.source.peek()) != "{":
            name = yield from self.source.match(_NAME, most=MAX_NAME_CHARS)
            yield from self.source.space()
            yield from self.source.expect("```json", "```")
        if not name or not (yield from self.named_object(name)):
            return False
        yield from self.source.space()
        yield from self.source.expect("```")
        yield from self.source.space()
        if (yield from self.source.expect("<｜tool▁call▁end｜>")):
            self.source.forget()
        return True
