"""What the readers of tool calls share."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from bodega.parsers.json_scanner import JsonScanner
from bodega.parsers.source import Reading, Source
from bodega.parsers.tools import Tools
from bodega.parsers.writer import Writer

MAX_NAME_CHARS = 256
"""Longest name of a function or a parameter that is taken for one."""


class CallFormat(ABC):
    """One way of writing tool calls. A reader reads on from an opening.

    It returns where it does not understand or is through. What it has read by then and not
    settled is no call: content, or what is left of an open call that is malformed.

    Attributes:
        openings: what calls begin with, wherever it stands.
        first_openings: what they begin with at the start of content only.
        closings: what a malformed call ends with.
    """

    openings: ClassVar[tuple[str, ...]] = ()
    first_openings: ClassVar[tuple[str, ...]] = ()
    closings: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, source: Source, writer: Writer, tools: Tools, markers: frozenset[str]
    ) -> None:
        self.source = source
        self.writer = writer
        self.tools = tools
        self.markers = markers

    @abstractmethod
    def read(self, opening: str) -> Reading[None]:
        """Read calls on from what they begin with."""

    def open_call(self, name: str, call_id: str | None = None) -> None:
        """A call begins: its name is known, and its arguments are an object."""
        self.writer.open_call(name, call_id)

    def close_call(self) -> None:
        """The open call is whole, and what was read until here is settled."""
        self.writer.close_call()
        self.source.forget()

    def value(self, take: Callable[[str], None]) -> Reading[bool]:
        """Read a JSON value, of which the pieces are taken; return whether it is whole."""
        scanner = JsonScanner()
        while True:
            text, at = self.source.waiting
            take(self.source.advance(scanner.feed(text, at)))
            if scanner.done or scanner.failed or self.source.ended:
                return scanner.done
            yield

    def named_object(self, name: str, call_id: str | None = None) -> Reading[bool]:
        """Read an object that is the arguments of a call; return whether it was one, and whole."""
        yield from self.source.space()
        if not self.tools.accepts(name) or (yield from self.source.peek()) != "{":
            return False
        self.open_call(name, call_id)
        if not (yield from self.value(self.writer.arguments)):
            return False
        self.close_call()
        return True
