"""Find stop texts in an answer as it grows, without letting out a part of one."""

from collections.abc import Sequence
from typing import NamedTuple

Span = tuple[int, int]
"""Where something is in a text: its begin and its end, in characters."""


class Passed(NamedTuple):
    """What may leave.

    Attributes:
        text: the text; may be empty.
        markers: where it holds markers, in order.
        stopped: whether a stop text was found: the text before it has left, the rest is dropped.
        held: characters that were taken in and may not leave yet.
    """

    text: str
    markers: tuple[Span, ...] = ()
    stopped: bool = False
    held: int = 0

    def joined(self, rest: "Passed") -> "Passed":
        """Return this and what left after it as one."""
        at = len(self.text)
        moved = tuple((begin + at, end + at) for begin, end in rest.markers)
        return Passed(self.text + rest.text, self.markers + moved, rest.stopped, rest.held)


class StopMatcher:
    """Watches one answer for its stop texts.

    Text is let out as soon as no stop text can begin in it. Of several stops
    the one that is complete first counts, and of those the longest: so it does
    not matter in which pieces the text came. A marker leaves whole; one that a
    stop text begins in is cut there and is text like any other.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self._markers: list[Span] = []
        self._keep = max((len(stop) for stop in stops), default=1) - 1

    def push(self, text: str, marker: Span | None = None) -> Passed:
        """Take text in, and where in it a marker is; return what may leave."""
        if not self._stops:
            return Passed(text) if marker is None else Passed(text, (marker,))
        if marker is not None:
            before = len(self._held)
            self._markers.append((before + marker[0], before + marker[1]))
        held = self._held + text
        found = [(at + len(stop), at) for stop in self._stops if (at := held.find(stop)) >= 0]
        end = min(found)[1] if found else self._whole(self._could_begin(held))
        markers = self._leaving(end) if self._markers else ()
        self._held = "" if found else held[end:]
        return Passed(held[:end], markers, bool(found), len(self._held))

    def finish(self) -> Passed:
        """Return what was held back, at the end of an answer without a stop."""
        held, self._held = self._held, ""
        return Passed(held, self._leaving(len(held)))

    def _could_begin(self, held: str) -> int:
        """Return where the earliest suffix starts that a stop text begins with."""
        for at in range(max(0, len(held) - self._keep), len(held)):
            suffix = held[at:]
            if any(stop.startswith(suffix) for stop in self._stops):
                return at
        return len(held)

    def _whole(self, end: int) -> int:
        """Return an end that is in no marker: at most the given one."""
        return next((begin for begin, stop in self._markers if begin < end < stop), end)

    def _leaving(self, end: int) -> tuple[Span, ...]:
        """Let the markers before an end go; the others are as far nearer as that."""
        leaving = tuple(span for span in self._markers if span[1] <= end)
        self._markers = [(begin - end, stop - end) for begin, stop in self._markers if stop > end]
        return leaving
