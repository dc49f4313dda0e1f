"""The model's output as parsers read it: forwards, once, waiting where it has not come yet.

Parsers are generators. One that needs text that is not there yet yields, and is resumed when
there is more, or when the output has ended. What they decide never depends on how the text was
cut, only on the text.
"""

import re
from collections import deque
from collections.abc import Collection, Generator, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")

Reading = Generator[None, None, T]
"""What reads from a source: yields where it waits for text, returns what it has read."""

_SPACE = re.compile(r"\s*")


class Tags:
    """Texts to look for in the output.

    A tag that is a token of its own counts only as such a token. Any other counts wherever its
    text stands outside of such tokens.
    """

    def __init__(self, tags: Iterable[str], markers: Collection[str]) -> None:
        self.all = frozenset(tags)
        plain = sorted((tag for tag in self.all if tag not in markers), key=len, reverse=True)
        self.tokens = frozenset(tag for tag in self.all if tag in markers)
        self.pattern = re.compile("|".join(map(re.escape, plain))) if plain else None
        self._prefixes = frozenset(tag[:end] for tag in plain for end in range(1, len(tag)))
        self._longest = max(map(len, plain), default=0)

    def undecided(self, text: str, begin: int, end: int) -> int:
        """Return where the end of a text may be the beginning of a tag; its end if nowhere."""
        for at in range(max(begin, end - self._longest + 1), end):
            if text[at:end] in self._prefixes:
                return at
        return end


class Source:
    """The output that has come and was not read yet.

    Attributes:
        ended: nothing more will come.
    """

    def __init__(self, markers: Collection[str]) -> None:
        self._markers = markers
        self._text = ""
        self._at = 0
        self._spans: deque[tuple[int, int]] = deque()
        self._record: list[str] = []
        self.ended = False

    def push(self, text: str, spans: Sequence[tuple[int, int]]) -> None:
        """Take in what has come, with the places of tokens that stand for themselves."""
        at = self._at
        self._text = self._text[at:] + text
        shift = len(self._text) - len(text)
        self._spans = deque((begin - at, end - at) for begin, end in self._spans)
        self._spans.extend((begin + shift, end + shift) for begin, end in spans)
        self._at = 0

    @property
    def exhausted(self) -> bool:
        """Whether all that there will ever be has been read."""
        return self.ended and self._at == len(self._text)

    @property
    def waiting(self) -> tuple[str, int]:
        """A text and where in it begins what has come and was not read."""
        return self._text, self._at

    def advance(self, end: int) -> str:
        """Read up to a place in the text of `waiting`, and return that."""
        piece = self._text[self._at : end]
        self._at = end
        while self._spans and self._spans[0][1] <= end:
            self._spans.popleft()
        if piece:
            self._record.append(piece)
        return piece

    def forget(self, but: str = "") -> None:
        """Begin a new record of what is read, with the end of what was."""
        self._record = [but] if but else []

    def recorded(self) -> str:
        """Return all that was read since `forget`, and begin anew."""
        text = "".join(self._record)
        self._record = []
        return text

    def until(self, tags: Tags) -> Reading[tuple[str, str | None]]:
        """Read text up to one of the tags, and the tag.

        Returns:
            Text and None as long as no tag has come, perhaps many times; the text before a tag
            and the tag; what is left and None when the output has ended.
        """
        while True:
            end, tag = self._find(tags)
            if tag is not None:
                piece = self.advance(end)
                self.advance(end + len(tag))
                return piece, tag
            if end > self._at or self.ended:
                return self.advance(end), None
            yield

    def _find(self, tags: Tags) -> tuple[int, str | None]:
        begin = self._at
        for span_begin, span_end in self._spans:
            if tags.pattern and (found := tags.pattern.search(self._text, begin, span_begin)):
                return found.start(), found.group()
            if (text := self._text[span_begin:span_end]) in tags.tokens and span_begin >= begin:
                return span_begin, text
            begin = span_end
        end = len(self._text)
        if tags.pattern and (found := tags.pattern.search(self._text, begin)):
            return found.start(), found.group()
        return (end if self.ended else tags.undecided(self._text, begin, end)), None

    def peek(self) -> Reading[str]:
        """Return the next character, empty if the output has ended."""
        while self._at == len(self._text):
            if self.ended:
                return ""
            yield
        return self._text[self._at]

    def space(self) -> Reading[str]:
        """Read white space as far as it goes, and return it."""
        pieces: list[str] = []
        while True:
            found = _SPACE.match(self._text, self._at)
            assert found is not None
            pieces.append(self.advance(found.end()))
            if self._at < len(self._text) or self.ended:
                return "".join(pieces)
            yield

    def expect(self, *options: str) -> Reading[str | None]:
        """Read one of the texts if it comes next, and return it; else read nothing.

        One that is the beginning of another comes after it.
        """
        while True:
            fits: bool | None = False
            for option in options:
                fits = self._begins_with(option)
                if fits or (fits is None and not self.ended):
                    break
            if fits:
                self.advance(self._at + len(option))
                return option
            if fits is False or self.ended:
                return None
            yield

    def _begins_with(self, option: str) -> bool | None:
        """Return whether an option comes next; None if that is not known yet."""
        if self._at == len(self._text):
            return None
        if option in self._markers:
            if not self._spans or self._spans[0][0] != self._at:
                return False
            return self._spans[0] == (self._at, self._at + len(option)) and self._text.startswith(
                option, self._at
            )
        if self._text.startswith(option, self._at):
            return True
        left = len(self._text) - self._at
        if left < len(option) and option.startswith(self._text[self._at :]):
            return None
        return False

    def match(self, pattern: re.Pattern[str], *, most: int) -> Reading[str | None]:
        """Read the characters that a pattern of one kind of them, `[...]*`, matches.

        Returns:
            Them, when another character follows or the output has ended; None when there are more
            than may be.
        """
        pieces: list[str] = []
        length = 0
        while True:
            found = pattern.match(self._text, self._at)
            assert found is not None
            pieces.append(self.advance(found.end()))
            length += len(pieces[-1])
            if length > most:
                return None
            if self._at < len(self._text) or self.ended:
                return "".join(pieces)
            yield
