"""One of the answers to a conversation: its text, told apart as it grows."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import Enum
from itertools import groupby
from typing import NamedTuple

from bodega.engine.request import Delta, Finish, TokenLogprobs
from bodega.engine.stream import AnswerStream
from bodega.parsers.message import MessageParser
from bodega.parsers.parts import (
    CallArguments,
    CallClosed,
    CallCut,
    CallOpened,
    Content,
    Part,
    Reasoning,
)


class ChatFinish(Enum):
    """Why an answer ended well."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"


class ChatPiece(NamedTuple):
    """What is new of one of the answers.

    Attributes:
        choice: which one, from 0.
        parts: what to append; a call that opens has an id.
        logprobs: of the tokens it took, if asked for.
        finish: why the answer ended, in its last piece only.
    """

    choice: int
    parts: Sequence[Part]
    logprobs: Sequence[TokenLogprobs]
    finish: ChatFinish | None


class ChatChoice:
    """One of the answers to a conversation, as it grows.

    Attributes:
        stream: where its text comes from.
        tokens: how many were generated so far.
        reasoning_tokens: how many of them are thinking and its tags.
    """

    def __init__(
        self, index: int, stream: AnswerStream, parser: MessageParser | None, *, one_call: bool
    ) -> None:
        """Make one.

        Args:
            index: which one, from 0.
            stream: where its text comes from.
            parser: what tells thinking, content and calls apart; None if all is content.
            one_call: whether it ends after its first call.
        """
        self.stream: AnswerStream | None = stream
        self.tokens = 0
        self.reasoning_tokens = 0
        self._index = index
        self._deltas = stream
        self._parser = parser
        self._one_call = one_call
        self._calls = _Calls()
        self._finish: ChatFinish | None = None

    @property
    def outcome(self) -> str | None:
        """Why it ended, as the log has it; None until it has."""
        return None if self._finish is None else self._finish.value

    def advance(self) -> ChatPiece | None:
        """Return what is new, None if nothing is.

        Raises:
            BodegaError: it has ended with an error.
        """
        deltas = self._deltas.take()
        if not deltas:
            return None
        parts: Sequence[Part]
        if self._parser is None:
            parts = self._plain(deltas)
        else:
            parts, deltas = self._told_apart(self._parser, deltas)
        logprobs = [told for delta in deltas for told in delta.logprobs]
        return ChatPiece(self._index, parts, logprobs, self._finish)

    def _plain(self, deltas: Sequence[Delta]) -> Sequence[Part]:
        for delta in deltas:
            self.tokens += delta.tokens
        if (finish := deltas[-1].finish) is not None:
            self._finish = self._calls.finish(finish)
        text = "".join([delta.text for delta in deltas])
        return (Content(text),) if text else ()

    def _told_apart(
        self, parser: MessageParser, deltas: list[Delta]
    ) -> tuple[Sequence[Part], list[Delta]]:
        """Return the parts of deltas, and those deltas that were read."""
        parts: list[Part] = []
        for at, delta in enumerate(deltas):
            self.tokens += delta.tokens
            if self._read(parser, delta, parts):
                self._finish = ChatFinish.TOOL_CALLS
                self._deltas.complete()
                return joined(parts), deltas[: at + 1]
            if delta.finish is not None:
                self._finish = self._calls.finish(delta.finish)
        return joined(parts), deltas

    def _read(self, parser: MessageParser, delta: Delta, parts: list[Part]) -> bool:
        """Add the parts of a delta; return whether the answer is to end with them."""
        was_thinking = parser.thinking
        found = parser.push(delta.text, delta.markers)
        if was_thinking or parser.thinking:
            self.reasoning_tokens += delta.tokens
        if delta.finish is not None:
            found = [*found, *parser.finish()]
        for part in found:
            if isinstance(part, CallOpened) and part.id is None:
                part = replace(part, id=parser.new_call_id())
            parts.append(part)
            self._calls.note(part)
            if self._one_call and self._calls.whole:
                return True
        return False


class _Calls:
    """How the calls of an answer went."""

    def __init__(self) -> None:
        self.whole = 0
        self._cut = 0

    def note(self, part: Part) -> None:
        self.whole += isinstance(part, CallClosed)
        self._cut += isinstance(part, CallCut)

    def finish(self, finish: Finish) -> ChatFinish:
        if finish is Finish.LENGTH:
            return ChatFinish.LENGTH
        return ChatFinish.TOOL_CALLS if self.whole and not self._cut else ChatFinish.STOP


def joined(parts: Iterable[Part]) -> Sequence[Part]:
    """Return parts with neighbours of one kind made one, and without those that say nothing."""
    found: list[Part] = []
    for _, group in groupby(parts, key=_kind):
        alike = list(group)
        first = alike[0]
        if not isinstance(first, Reasoning | Content | CallArguments):
            found += alike
        elif len(alike) > 1:
            text = "".join([part.text for part in alike if isinstance(part, type(first))])
            found.append(replace(first, text=text))
        elif first.text:
            found.append(first)
    return found


def _kind(part: Part) -> tuple[type[Part], int]:
    return type(part), part.index if isinstance(part, CallArguments) else 0
