"""Harmony, gpt-oss's format: every message says on which channel and to whom it is."""

import re
from collections.abc import Callable
from typing import Final

from bodega.parsers.call_format import MAX_NAME_CHARS, CallFormat
from bodega.parsers.source import Reading, Source, Tags
from bodega.parsers.tools import Tools
from bodega.parsers.writer import Writer

_START, _CHANNEL, _MESSAGE = "<|start|>", "<|channel|>", "<|message|>"
_ENDS: Final = ("<|end|>", "<|return|>", "<|call|>")

_WORD: Final = re.compile(r"\w*")
_NAME: Final = re.compile(r"[^\s<]*")
_RECIPIENT: Final = re.compile(r"\bto=(?:functions\.)?([^\s<]+)")
_CHANNEL_NAME: Final = re.compile(r"<\|channel\|>\s*(\w+)")
_MAX_HEADER_CHARS: Final = 512


class Harmony(CallFormat):
    """Reads messages: analysis is thinking, a recipient makes a call, the rest is content.

    Attributes:
        thinks: analysis is told of as thinking; else it stays as it is written.
        calls: messages to functions are told of as calls; else they stay as they are written.
        thinking: what comes next is thinking.
    """

    thinks = True
    calls = True
    thinking = False

    def __init__(
        self, source: Source, writer: Writer, tools: Tools, markers: frozenset[str]
    ) -> None:
        super().__init__(source, writer, tools, markers)
        self._header_tags = Tags([_MESSAGE, _START, *_ENDS], markers)
        self._between_tags = Tags([_START, _CHANNEL], markers)
        # Models leave the end out at times; a message may say the word, though.
        follower = {_START, _CHANNEL} & markers
        self._body_tags = Tags([*follower, *_ENDS], markers)

    def read(self, opening: str) -> Reading[None]:
        """Read all messages; the end of the prompt has begun the first."""
        begun = opening.rpartition(_START)[2] if _START in opening else ""
        tag: str | None = None
        if _MESSAGE in begun:
            tag = yield from self._body(begun[: begun.index(_MESSAGE)])
        elif begun:
            tag = yield from self._header(begun)
        while not self.source.exhausted:
            if tag is None:
                text, tag = yield from self.source.until(self._between_tags)
                self.writer.content(text)
                self.source.forget(tag or "")
            else:
                tag = yield from self._header(tag)

    def _header(self, begun: str) -> Reading[str | None]:
        """Read a header on from its beginning, and its message; return the tag of the next."""
        head = begun
        if head == _START:
            head += yield from self._most(_WORD)
        while _CHANNEL not in head:
            yield from self.source.space()
            tag = yield from self.source.expect(_CHANNEL, _MESSAGE, "to=")
            if tag == _MESSAGE:
                return (yield from self._body(head))
            if tag is None or len(head) > _MAX_HEADER_CHARS:
                break
            head += tag if tag == _CHANNEL else f" to={yield from self._most(_NAME)}"
        while _CHANNEL in head and len(head) <= _MAX_HEADER_CHARS:
            text, tag = yield from self.source.until(self._header_tags)
            head += text
            if tag == _MESSAGE:
                return (yield from self._body(head))
            if tag is not None or self.source.exhausted:
                break
        text = self.source.recorded()
        # Of a message that has not begun when the output ends only a call says something.
        is_cut = self.source.exhausted and (_CHANNEL in head or head.startswith(_START))
        if not is_cut or "to=" in head:
            self.writer.content(text)
        return None

    def _most(self, pattern: re.Pattern[str]) -> Reading[str]:
        return (yield from self.source.match(pattern, most=MAX_NAME_CHARS)) or ""

    def _body(self, head: str) -> Reading[str | None]:
        """Read a message after its header; return the tag that begins the next."""
        recipient = _RECIPIENT.search(head)
        channel = _CHANNEL_NAME.search(head)
        if recipient:
            if not self.calls:
                return (yield from self._unread())
            return (yield from self._call(recipient.group(1)))
        if channel and channel.group(1) == "analysis":
            if not self.thinks:
                return (yield from self._unread())
            self.thinking = True
            self.writer.begin_thinking()
            tag = yield from self._text(self.writer.reasoning)
            self.thinking = False
            self.writer.end_thinking()
        else:
            if self.writer.was_content:
                self.writer.content("\n")
            tag = yield from self._text(self.writer.content)
        return self._next(tag)

    def _call(self, name: str) -> Reading[str | None]:
        if not (yield from self.named_object(name)) and not self.writer.is_calling:
            return (yield from self._unread())
        if self.writer.is_calling:
            pieces = [self.source.recorded()]
            tag = yield from self._text(pieces.append)
            self.writer.cut_call("".join(pieces) + (tag or ""))
        else:
            tag = yield from self._text(self.writer.content)
        return self._next(tag)

    def _unread(self) -> Reading[str | None]:
        """Let a message stay as it is written, its header included."""
        self.writer.content(self.source.recorded())
        tag = yield from self._text(self.writer.content)
        if tag in _ENDS:
            self.writer.content(tag)
        return self._next(tag)

    def _text(self, take: Callable[[str], None]) -> Reading[str | None]:
        """Read text up to the end of a message; return the tag there."""
        while True:
            text, tag = yield from self.source.until(self._body_tags)
            take(text)
            self.source.forget(tag or "")
            if tag is not None or self.source.exhausted:
                return tag

    def _next(self, tag: str | None) -> str | None:
        if tag in _ENDS:
            self.source.forget()
            return None
        return tag
