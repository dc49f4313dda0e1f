"""A model's output read as a message: thinking, content and calls, as the text grows."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from bodega.parsers.call_format import CallFormat
from bodega.parsers.call_ids import fresh_id
from bodega.parsers.gemma import Gemma
from bodega.parsers.harmony import Harmony
from bodega.parsers.json_formats import Hermes, Llama3Json, Mistral
from bodega.parsers.parts import Part
from bodega.parsers.section_formats import DeepseekV3, KimiK2
from bodega.parsers.source import Reading, Source, Tags
from bodega.parsers.thinking import Begun, ThinkingTags, begun, thinking_label, thinking_tags
from bodega.parsers.tools import Tools
from bodega.parsers.writer import Writer
from bodega.parsers.xml_formats import Glm4Moe, MinimaxM2, Qwen3Coder, Qwen3Next

_FORMATS: Final[Mapping[str, type[CallFormat]]] = {
    "qwen3": Hermes,
    "qwen3_moe": Hermes,
    "qwen3_vl": Hermes,
    "hermes": Hermes,
    "qwen3_next": Qwen3Next,
    "qwen3_coder": Qwen3Coder,
    "glm4_moe": Glm4Moe,
    "minimax_m2": MinimaxM2,
    "kimi_k2": KimiK2,
    "deepseek_v3": DeepseekV3,
    "llama3_json": Llama3Json,
    "mistral": Mistral,
    "gemma": Gemma,
}


class MessageParser:
    """Reads one answer, piece by piece.

    The parts, joined, are the same however the text is cut, as long as no marker is. Nothing
    that a model may write makes it raise, and its work grows as the text does.
    """

    def __init__(
        self,
        *,
        reasoning: str,
        tool_calls: str,
        markers: Collection[str],
        ending: str,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Make ready for an answer.

        Args:
            reasoning: the reasoning parser, "none" for none.
            tool_calls: the tool call parser, "none" for none.
            markers: texts that are tokens of their own. A tag among them counts only as such a
                token, any other wherever its text stands.
            ending: the end of the prompt, after the last message.
            tools: the tools of the request, as OpenAI's API has them.
        """
        self._tool_calls = tool_calls
        known = self._markers = frozenset(markers)
        self._source = Source(known)
        self._writer = Writer(trims=(reasoning, tool_calls) != ("none", "none"))
        self._harmony: Harmony | None = None
        self._thinks = False
        self._tools = Tools(tools)
        arguments = (self._source, self._writer, self._tools, known)
        if "harmony" in (reasoning, tool_calls):
            self._harmony = Harmony(*arguments)
            self._harmony.thinks = reasoning == "harmony"
            self._harmony.calls = tool_calls == "harmony"
            self._reading = self._harmony.read(ending)
        else:
            form = _FORMATS.get(tool_calls)
            self._format = form(*arguments) if form else None
            self._reading = self._read(thinking_tags(reasoning), known, ending)
        self._resume()

    @property
    def thinking(self) -> bool:
        """Whether what comes next is thinking, as far as is known."""
        if self._harmony is not None:
            return self._harmony.thinking
        return self._thinks and not self._writer.is_calling

    def new_call_id(self) -> str:
        """Return an id for a call that has none of its format's."""
        return fresh_id(self._tool_calls)

    def push(self, text: str, markers: Sequence[tuple[int, int]] = ()) -> list[Part]:
        """Read on.

        Args:
            text: what has come.
            markers: where it holds markers: pairs of begin and end, in order.
        """
        self._source.push(text, markers)
        self._resume()
        return self._writer.take()

    def finish(self) -> list[Part]:
        """Read what is left when the output has ended."""
        self._source.ended = True
        self._resume()
        self._writer.end()
        return self._writer.take()

    def _resume(self) -> None:
        next(self._reading, None)

    def _read(
        self, thinking: ThinkingTags | None, markers: frozenset[str], ending: str
    ) -> Reading[None]:
        """Read a format whose thinking, if it has any, stands between tags."""
        tags = self._tags(thinking, markers)
        state = Begun.CLOSED if thinking is None else begun(thinking, ending)
        if thinking and state is Begun.UNSAID:
            self._writer.content((yield from self._source.space()))
            if (yield from self._source.expect(thinking.opening)):
                state = Begun.OPEN
            else:
                # A model may forget the opening tag. Its thinking has left as content by then.
                tags = Tags([*tags.all, thinking.closing], markers)
        tag: str | None = None
        if thinking and state is Begun.OPEN:
            tag = yield from self._think(thinking, markers)
        tag = tag or (yield from self._first())
        while tag is not None or not self._source.exhausted:
            if tag is None:
                text, tag = yield from self._source.until(tags)
                self._writer.content(text)
                self._source.forget(tag or "")
            elif thinking and tag in thinking:
                tags = self._tags(thinking, markers)
                if tag == thinking.opening:
                    tag = yield from self._think(thinking, markers)
                else:
                    self._writer.end_thinking()
                    tag = None
                tag = tag or (yield from self._first())
            else:
                tag = yield from self._call(tag, tags)

    def _tags(self, thinking: ThinkingTags | None, markers: frozenset[str]) -> Tags:
        """Return what ends content: written as text, thinking's tags may be what is said."""
        openings = self._format.openings if self._format else ()
        return Tags([*openings, *(tag for tag in thinking or () if tag in markers)], markers)

    def _think(self, thinking: ThinkingTags, markers: frozenset[str]) -> Reading[str | None]:
        """Read thinking up to its end; return the tag of a call if that ends it."""
        self._thinks = True
        self._writer.begin_thinking()
        # A call may end thinking that the model forgets to close, but not one that it muses of.
        openings = markers.intersection(self._format.openings) if self._format else ()
        tags = Tags([thinking.closing, *openings], markers)
        # The template has opened it, and the model does again.
        yield from self._source.space()
        yield from self._source.expect(thinking.opening)
        if label := thinking_label(thinking):
            yield from self._source.expect(label)
        tag: str | None = None
        while tag != thinking.closing and not self._source.exhausted:
            if tag is None:
                text, tag = yield from self._source.until(tags)
                self._writer.reasoning(text)
                self._source.forget(tag or "")
                continue
            calls = self._writer.calls
            self._tools.only_known = True
            tag = yield from self._call(tag, tags, unread=self._writer.reasoning)
            self._tools.only_known = False
            if self._writer.calls > calls:
                self._thinks = False
                return tag
        self._thinks = False
        self._writer.end_thinking()
        return None

    def _first(self) -> Reading[str | None]:
        """Return what begins calls at the start of content only, if it comes next."""
        if self._format is None or not self._format.first_openings:
            return None
        self._writer.content((yield from self._source.space()))
        tag = yield from self._source.expect(*self._format.first_openings)
        self._source.forget(tag or "")
        return tag

    def _call(
        self, opening: str, tags: Tags, *, unread: Callable[[str], None] | None = None
    ) -> Reading[str | None]:
        """Read calls after their opening; return the tag of the next if it is read already.

        Args:
            opening: what they begin with.
            tags: what may follow a malformed one.
            unread: takes what turns out to be no call; None if that is content.
        """
        assert self._format is not None
        calls = self._writer.calls
        yield from self._format.read(opening)
        if not self._writer.is_calling:
            take = unread if unread and self._writer.calls == calls else self._writer.content
            take(self._source.recorded())
            return None
        pieces = [self._source.recorded()]
        ends = Tags([*self._format.closings, *tags.all], self._markers)
        while True:
            text, tag = yield from self._source.until(ends)
            pieces.append(text)
            if tag is not None or self._source.exhausted:
                break
        ends_here = tag in self._format.closings
        self._writer.cut_call("".join(pieces) + (tag if tag and ends_here else ""))
        self._source.forget("" if ends_here else tag or "")
        return None if ends_here else tag
