"""Path templates of google.api.http: matching a path and taking its variables.

Knows the grammar: literals, `*`, `**`, `{name}`, `{name=pattern}` and a verb
after a colon. Matches paths as they came, so a slash written %2F belongs to its
segment; variables are decoded, because ids of models hold slashes either way.
"""

import re
from urllib.parse import unquote

from bodega.gateway.json_text import refused

_TOKEN = re.compile(r"\{(?P<name>[a-z][a-z0-9_.]*)(?:=(?P<pattern>[^}]*))?\}|(?P<text>[^{}]+)")


class PathTemplate:
    """A path template, ready to match.

    Attributes:
        text: the template as the contract has it.
        variables: the names of its variables, in order.
    """

    def __init__(self, text: str) -> None:
        """Compile a template.

        Raises:
            ValueError: it does not follow the grammar.
        """
        self.text = text
        self.variables: tuple[str, ...] = ()
        expression, end = "", 0
        for token in _TOKEN.finditer(text):
            if token.start() != end:
                break
            end = token.end()
            expression += self._expression_of(token)
        if end != len(text) or not text.startswith("/"):
            raise ValueError(f"{text!r} is not a path template")
        self._expression = re.compile(expression)

    @property
    def is_literal(self) -> bool:
        """Whether it matches only its own text."""
        return re.escape(self.text) == self._expression.pattern

    @property
    def openapi_text(self) -> str:
        """The template with its variables bare, as OpenAPI writes them."""
        return _TOKEN.sub(lambda token: token["text"] or f"{{{token['name']}}}", self.text)

    def match(self, path: str) -> dict[str, str] | None:
        """Return the decoded variables of a path, None if the template does not match.

        Raises:
            InvalidRequest: a variable is not UTF-8.
        """
        found = self._expression.fullmatch(path)
        if found is None:
            return None
        values = zip(self.variables, found.groups(), strict=True)
        return {name: _decoded(name, value) for name, value in values}

    def _expression_of(self, token: re.Match[str]) -> str:
        if token["text"] is not None:
            return _pattern(token["text"])
        self.variables += (token["name"],)
        return f"({_pattern(token['pattern'] or '*')})"


def _pattern(text: str) -> str:
    return re.escape(text).replace(r"\*\*", ".+").replace(r"\*", "[^/]+")


def _decoded(name: str, value: str) -> str:
    try:
        # Bytes that are not ASCII reach a raw path as surrogates; those fail here as well.
        value.encode()
        return unquote(value, errors="strict")
    except (UnicodeDecodeError, UnicodeEncodeError):
        raise refused((None, name), "not UTF-8") from None
