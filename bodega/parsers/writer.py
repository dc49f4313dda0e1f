"""The parts of a message, as they are found."""

from bodega.parsers.parts import (
    CallArguments,
    CallClosed,
    CallCut,
    CallOpened,
    Content,
    Part,
    Reasoning,
)


class Writer:
    """Collects parts, without the white space that formats put between them.

    Thinking has none at its ends. Content keeps its own: what is at its end waits until it is
    clear whether content goes on, and is dropped where thinking or a call stands beside it.

    Attributes:
        trims: whether white space at the end of content may belong to a format.
        is_calling: whether a call is open.
        was_content: whether content was told of.
        calls: how many calls have begun.
    """

    def __init__(self, *, trims: bool) -> None:
        self.trims = trims
        self.is_calling = False
        self.was_content = False
        self._parts: list[Part] = []
        self.calls = 0
        self._thought = False
        self._in_thought = False
        self._space: list[str] = []
        self._after_other = False
        self._before_call = ""

    def take(self) -> list[Part]:
        """Return the parts since the last time, neighbours of one kind joined."""
        joined: list[Part] = []
        run: list[str] = []
        for place, part in enumerate(self._parts):
            if not isinstance(part, Reasoning | Content | CallArguments):
                joined.append(part)
                continue
            run.append(part.text)
            follower = self._parts[place + 1] if place + 1 < len(self._parts) else None
            if type(follower) is type(part):
                continue
            text = "".join(run)
            run = []
            match part:
                case CallArguments():
                    joined.append(CallArguments(part.index, text))
                case Reasoning():
                    joined.append(Reasoning(text))
                case _:
                    joined.append(Content(text))
        self._parts = []
        return joined

    def content(self, text: str) -> None:
        """Add content."""
        if not self.trims:
            if text:
                self._parts.append(Content(text))
                self.was_content = True
            return
        body = text.rstrip()
        if body:
            self._flush_space()
            lead = body if self.was_content or not self._after_other else body.lstrip()
            self._parts.append(Content(lead))
            self.was_content, self._after_other = True, False
        if len(body) < len(text):
            self._space.append(text[len(body) :])

    def _flush_space(self) -> None:
        if self._space and (self.was_content or not self._after_other):
            self._parts.append(Content("".join(self._space)))
        self._space = []

    def reasoning(self, text: str) -> None:
        """Add thinking."""
        if not self._in_thought:
            text = text.lstrip()
            if not text:
                return
            if self._thought:
                self._parts.append(Reasoning("\n"))
            self._in_thought = self._thought = True
        body = text.rstrip()
        if body:
            self._parts.append(Reasoning("".join(self._space) + body))
            self._space = []
        if len(body) < len(text):
            self._space.append(text[len(body) :])

    def begin_thinking(self) -> None:
        """Thinking begins: white space before it is not content."""
        self._space = []
        self._in_thought = False

    def end_thinking(self) -> None:
        """Thinking has ended: white space after it is not content."""
        self._space = []
        self._after_other = True

    def open_call(self, name: str, call_id: str | None = None) -> None:
        """A call begins."""
        self._before_call = "".join(self._space) if self.was_content else ""
        self._space = []
        self._parts.append(CallOpened(self.calls, name, call_id))
        self.calls += 1
        self.is_calling = True

    def arguments(self, text: str) -> None:
        """Add to the arguments of the open call."""
        if text:
            self._parts.append(CallArguments(self.calls - 1, text))

    def close_call(self) -> None:
        """The open call is whole."""
        self._parts.append(CallClosed(self.calls - 1))
        self.is_calling = False
        self._after_other = True

    def cut_call(self, text: str) -> None:
        """The open call ends without being whole."""
        # It stands among the content, with the space around it.
        self._parts.append(CallCut(self.calls - 1, self._before_call + text))
        self.is_calling = self._after_other = False
        self.was_content = True

    def end(self) -> None:
        """The message has ended: space at the end of content is content."""
        if self._space and not self._after_other:
            self._parts.append(Content("".join(self._space)))
        self._space = []
