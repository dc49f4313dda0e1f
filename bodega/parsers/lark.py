"""Grammars in llguidance's dialect of Lark, put together rule by rule."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from bodega.errors import InvalidRequest
from bodega.limits import MAX_COMPILED_CHARS

_SPACING: Final = {
    # A model that may write blanks for ever does at times: one, where people put one, is enough.
    "whitespace_flexible": False,
    "item_separator": ", ?",
    "key_separator": ": ?",
}

ANY_TEXT: Final = "/(.|\\n)*/"
SOME_TEXT: Final = "/(.|\\n)+/"


_REGEX_PIECE: Final = re.compile(r"\\.|/|\n|[^\\/\n]+", re.DOTALL)
_IN_SLASHES: Final = {"/": "\\/", "\n": "\\n", "\\\n": "\\n"}


def literal(text: str) -> str:
    """Return what stands for just this text, as ordinary tokens."""
    return _unlike_tokens(json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f"))


def json_rule(schema: Mapping[str, Any]) -> str:
    """Return what stands for JSON that follows a schema, with bounded white space."""
    return "%json " + _unlike_tokens(json.dumps({**schema, "x-guidance": _SPACING}))


def _unlike_tokens(quoted: str) -> str:
    """Return a JSON text that has nothing that reads like a token of its own."""
    return quoted.replace("<[", "\\u003c[")


def _escaped(text: str) -> str:
    """Return the regular expression of a text, to stand between slashes."""
    return re.escape(text).replace("/", "\\/")


def regex(pattern: str) -> str | None:
    """Return what stands for a regular expression; None if it ends within an escape."""
    if not pattern:
        return literal("")
    pieces = _REGEX_PIECE.findall(pattern)
    if sum(map(len, pieces)) < len(pattern):
        return None
    return f"/{''.join(_IN_SLASHES.get(piece, piece) for piece in pieces)}/"


def either(options: Iterable[str]) -> str:
    """Return what stands for one of several."""
    options = list(options)
    return options[0] if len(options) == 1 else f"({' | '.join(options)})"


class Lark:
    """A grammar as it grows.

    A marker stands in it as `<marker>`, without brackets of its own where it has them: a backend
    knows which token that is.
    """

    def __init__(self, markers: Collection[str]) -> None:
        self._markers = markers
        self._names: dict[str, str] = {}
        """Of rules, by what they are."""
        self._left_chars = MAX_COMPILED_CHARS

    def rule(self, body: str, *, lazy: bool = False) -> str:
        """Return the name of a rule, which is added if there is none of just this body."""
        return self._named("part", "[lazy]: " if lazy else ": ", body)

    def terminal(self, body: str) -> str:
        """Return the name of a rule of regular expressions alone."""
        return self._named("PART", ": ", body)

    def _named(self, prefix: str, options: str, body: str) -> str:
        rule = options + body
        if rule not in self._names:
            self._left_chars -= len(rule)
            if self._left_chars < 0:
                raise InvalidRequest(
                    f"The tools make a grammar of more than {MAX_COMPILED_CHARS} characters, which "
                    "is not compiled. Make their schemas shorter.",
                    param="tools",
                )
            self._names[rule] = f"{prefix}{len(self._names)}"
        return self._names[rule]

    def tag(self, text: str) -> str:
        """Return what stands for a tag of a format: a token of its own, or its text."""
        if text not in self._markers:
            return literal(text)
        in_brackets = text.startswith("<") and text.endswith(">") and not text.startswith("<[")
        return text if in_brackets else f"<{text}>"

    def is_token(self, text: str) -> bool:
        """Whether a tag is a token of its own."""
        return text in self._markers

    def text_without(self, text: str, tags: Iterable[str]) -> str:
        """Return what stands for text that does not hold certain tags.

        As tokens of their own no text holds them.
        """
        plain = [_escaped(tag) for tag in tags if tag not in self._markers]
        if not plain:
            return text
        return self.terminal(f"{text} & ~/(.|\\n)*({'|'.join(plain)})(.|\\n)*/")

    def text_to(self, closing: str, *, text: str = ANY_TEXT, before: str = "") -> str:
        """Return what stands for text up to the first of a tag, and the tag.

        Args:
            closing: the tag.
            text: what the text may be.
            before: what stands between text and tag, if the end of the text matters.
        """
        if self.is_token(closing):
            return f"{text} {literal(before)} {self.tag(closing)}"
        return self.rule(f"{text} {literal(before + closing)}", lazy=True)

    def written(self, start: str) -> str:
        """Return the whole grammar."""
        rules = [f"{name}{body}" for body, name in self._names.items()]
        return "\n".join(["%llguidance {}", f"start: {start}", *rules, ""])
