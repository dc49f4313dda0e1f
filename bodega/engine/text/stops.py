"""Find stop texts in an answer as it grows, without letting out a part of one."""

from collections.abc import Sequence


class StopMatcher:
    """Watches one answer for its stop texts.

    Text is let out as soon as no stop text can begin in it. Of several stops
    the one that is complete first counts, and of those the longest: so it does
    not matter in which pieces the text came.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self._keep = max((len(stop) for stop in stops), default=1) - 1

    def push(self, text: str) -> tuple[str, bool]:
        """Take text in; return what may leave, and whether a stop was found.

        Once one was found the text before it has left and the rest is dropped.
        """
        if not self._stops:
            return text, False
        held = self._held + text
        found = [(at + len(stop), at) for stop in self._stops if (at := held.find(stop)) >= 0]
        if found:
            self._held = ""
            return held[: min(found)[1]], True
        hold = self._could_begin(held)
        self._held = held[hold:]
        return held[:hold], False

    def finish(self) -> str:
        """Return the text held back, at the end of an answer without a stop."""
        held, self._held = self._held, ""
        return held

    def _could_begin(self, held: str) -> int:
        """Return where the earliest suffix starts that a stop text begins with."""
        for at in range(max(0, len(held) - self._keep), len(held)):
            suffix = held[at:]
            if any(stop.startswith(suffix) for stop in self._stops):
                return at
        return len(held)
