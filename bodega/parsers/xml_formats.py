"""Formats whose arguments are tags with plain text in them: qwen3_coder, glm4_moe, minimax_m2."""

import json
import re
from typing import ClassVar, Final

from bodega.parsers.argument import Argument
from bodega.parsers.call_format import MAX_NAME_CHARS, CallFormat
from bodega.parsers.json_formats import Hermes
from bodega.parsers.source import Reading, Source, Tags
from bodega.parsers.tools import KINDS, Tools
from bodega.parsers.writer import Writer

_NAME: Final = re.compile(r"[^<>\s{}\[\]]*")
_ATTRIBUTE: Final = re.compile(r"[^<>\n]*")


class XmlFormat(CallFormat):
    """Writes a call's arguments as they are read one by one.

    Attributes:
        value_closing: the tag that ends a value.
        unknown: the types of a parameter that no tool tells of.
        trims_line: whether a line break at each end of a value is the format's own.
        key_tag: the tag that begins the argument of a key, as a line of its own; empty where
            models are not known to leave the closing one of the value before it out.
    """

    value_closing: ClassVar[str]
    unknown: ClassVar[frozenset[str]] = frozenset({"string"})
    trims_line: ClassVar[bool] = True
    key_tag: ClassVar[str] = ""

    def __init__(
        self, source: Source, writer: Writer, tools: Tools, markers: frozenset[str]
    ) -> None:
        super().__init__(source, writer, tools, markers)
        self._name = ""
        self._keys: set[str] = set()
        self._key_tags: dict[str, str] = {}
        self._value_end = Tags([self.value_closing], markers)
        self._unclosed: str | None = None
        """The key of an argument that began within the value before it."""

    def begin(self, name: str) -> None:
        """A call begins, without arguments so far."""
        self.open_call(name)
        self.writer.arguments("{")
        self._name, self._keys = name, set()
        if self.key_tag:
            keys = self.tools.keys(name)
            self._key_tags = {f"\n{self.key_tag.format(key)}": key for key in keys}
            self._value_end = Tags([self.value_closing, *self._key_tags], self.markers)

    def end(self) -> None:
        """The call is whole."""
        self.writer.arguments("}")
        self.close_call()

    def attribute(self, closing: str) -> Reading[str | None]:
        """Read a name up to what closes its tag; None if there is none."""
        text = yield from self.source.match(_ATTRIBUTE, most=MAX_NAME_CHARS)
        if text is None or not (yield from self.source.expect(closing)):
            return None
        text = text.strip()
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
            text = text[1:-1]
        return text or None

    def argument(self, key: str) -> Reading[bool]:
        """Read a value up to the tag that closes it; return whether there was one."""
        separator = ", " if self._keys else ""
        self.writer.arguments(f"{separator}{json.dumps(key, ensure_ascii=False)}: ")
        self._keys.add(key)
        kinds = self.tools.kinds(self._name, key)
        argument = Argument(
            self.unknown if kinds is None else kinds,
            self.writer.arguments,
            trims_line=self.trims_line,
        )
        while True:
            text, tag = yield from self.source.until(self._value_end)
            argument.add(text)
            if tag is not None and (argument.in_string or self._key_tags.get(tag) in self._keys):
                argument.add(tag)
            elif tag is not None:
                argument.end()
                self._unclosed = self._key_tags.get(tag)
                return True
            if self.source.exhausted:
                return False

    def function(self, name: str, key_opening: str, closing: str) -> Reading[bool]:
        """Read a call after its name, up to the tag that closes it; return whether it is whole.

        Args:
            name: what is called.
            key_opening: what stands before a key.
            closing: the tag.
        """
        self.begin(name)
        while True:
            key, self._unclosed = self._unclosed, None
            if key is None:
                yield from self.source.space()
                match (yield from self.source.expect(key_opening, closing)):
                    case None:
                        return False
                    case tag if tag == closing:
                        self.end()
                        return True
                key = yield from self.attribute(">")
            if key is None or not (yield from self.argument(key)):
                return False


class Qwen3Coder(XmlFormat):
    """`<tool_call><function=name><parameter=key>value</parameter></function></tool_call>`."""

    openings: ClassVar = ("<tool_call>", "<function=")
    closings: ClassVar = ("</tool_call>",)
    value_closing: ClassVar = "</parameter>"
    key_tag: ClassVar = "<parameter={}>"

    def read(self, opening: str) -> Reading[None]:
        """Read the functions of one pair of tags; models leave its first tag out at times."""
        is_bare = opening == "<function="
        if not is_bare:
            yield from self.source.space()
        while is_bare or (yield from self.source.expect("<function=")):
            name = yield from self.attribute(">")
            if name is None or not self.tools.accepts(name):
                return
            if is_bare and not self.tools.may_be(name):
                return
            is_bare = False
            if not (yield from self.function(name, "<parameter=", "</function>")):
                return
            yield from self.source.space()
            if (yield from self.source.expect(*self.closings)):
                self.source.forget()
                return


class Qwen3Next(Qwen3Coder):
    """Either of Qwen's formats: JSON or tags."""

    def __init__(
        self, source: Source, writer: Writer, tools: Tools, markers: frozenset[str]
    ) -> None:
        super().__init__(source, writer, tools, markers)
        self._hermes = Hermes(source, writer, tools, markers)

    def read(self, opening: str) -> Reading[None]:
        """Read the calls of one pair of tags."""
        yield from self.source.space()
        if opening == "<tool_call>" and (yield from self.source.peek()) != "<":
            yield from self._hermes.read(opening)
        else:
            yield from super().read(opening)


class Glm4Moe(XmlFormat):
    """`<tool_call>name<arg_key>key</arg_key><arg_value>value</arg_value></tool_call>`."""

    openings: ClassVar = ("<tool_call>",)
    closings: ClassVar = ("</tool_call>",)
    value_closing: ClassVar = "</arg_value>"
    unknown: ClassVar = KINDS
    trims_line: ClassVar = False

    def read(self, opening: str) -> Reading[None]:
        """Read the call of one pair of tags."""
        yield from self.source.space()
        name = yield from self.source.match(_NAME, most=MAX_NAME_CHARS)
        yield from self.source.space()
        tag = yield from self.source.expect("<arg_key>", "</tool_call>")
        if name is None or tag is None or not self.tools.accepts(name):
            return
        self.begin(name)
        while tag == "<arg_key>":
            key = yield from self.attribute("</arg_key>")
            yield from self.source.space()
            if key is None or not (yield from self.source.expect("<arg_value>")):
                return
            if not (yield from self.argument(key)):
                return
            yield from self.source.space()
            tag = yield from self.source.expect("<arg_key>", "</tool_call>")
        if tag is not None:
            self.end()


class MinimaxM2(XmlFormat):
    """`<invoke name="..."><parameter name="...">value</parameter></invoke>` in a section."""

    openings: ClassVar = ("<minimax:tool_call>",)
    closings: ClassVar = ("</minimax:tool_call>",)
    value_closing: ClassVar = "</parameter>"

    def read(self, opening: str) -> Reading[None]:
        """Read the calls of one section."""
        yield from self.source.space()
        tag = yield from self.source.expect("<invoke name=")
        while tag == "<invoke name=":
            name = yield from self.attribute(">")
            if name is None or not self.tools.accepts(name):
                return
            if not (yield from self.function(name, "<parameter name=", "</invoke>")):
                return
            yield from self.source.space()
            tag = yield from self.source.expect("<invoke name=", *self.closings)
        if tag is not None:
            self.source.forget()
