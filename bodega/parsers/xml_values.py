"""Grammars of the values that stand as plain text between tags."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bodega.errors import InvalidRequest, quoted
from bodega.parsers.call_rules import ToolRule
from bodega.parsers.lark import Lark, either, json_rule, literal, regex
from bodega.parsers.tools import KINDS, kinds_in, resolved

_DEFINITIONS: Final = ("$defs", "definitions")
_CHOICES: Final = ("anyOf", "oneOf", "allOf")
_UNHELD: Final = ("not", "if", "contentEncoding", "contentSchema", "enum", *_CHOICES)
"""What a text cannot be held to; of choices those that are empty are left there."""

_DATE: Final = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME: Final = (
    r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"(Z|[+\-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
_BYTE: Final = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_LABEL: Final = "[A-Za-z0-9]([A-Za-z0-9\\-]{0,61}[A-Za-z0-9])?"

_TEXT_FORMATS: Final[Mapping[str, str]] = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f"{_DATE}T{_TIME}",
    "uuid": "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "email": rf"[A-Za-z0-9_+\-]+(\.[A-Za-z0-9_+\-]+)*@{_LABEL}(\.{_LABEL})+",
    "uri": r"[A-Za-z][A-Za-z0-9+.\-]*:[A-Za-z0-9._~:\/?#@!$&'()*+,;=%\-]+",
    "ipv4": rf"{_BYTE}(\.{_BYTE}){{3}}",
}
"""The formats of JSON Schema that a text is held to, as regular expressions between slashes."""


class XmlValues:
    """Makes rules for one tool's values, each with the tag that closes it."""

    def __init__(self, lark: Lark, tool: ToolRule, closing: str, before: str) -> None:
        """Make one.

        Args:
            lark: where rules are added.
            tool: whose arguments they are.
            closing: the tag that ends a value.
            before: the text between value and closing.
        """
        self._lark = lark
        self._tool = tool
        self._closing = closing
        self._before = before
        self._end = f"{literal(before)} {lark.tag(closing)}"
        self._definitions = {
            key: tool.parameters[key] for key in _DEFINITIONS if key in tool.parameters
        }
        self._made: dict[int, str] = {}
        """By the identity of a schema: many arguments may refer to one."""

    def value(self, key: str, described: Any) -> str:
        """Return what stands for one value and its closing tag.

        Args:
            key: the argument's name.
            described: its schema.

        Raises:
            InvalidRequest: the value cannot be held to it.
        """
        schema = self._resolved(key, described)
        if "string" not in kinds_in(schema, self._tool.parameters):
            return self._json(schema)
        options = [self._option(key, option) for option in self._options(key, schema)]
        return either(dict.fromkeys(options))

    def _options(self, key: str, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the schemas that a value may follow, none of which leads to others."""
        waiting: list[Any] = [schema]
        seen: set[int] = set()
        is_empty = True
        while waiting:
            option = self._resolved(key, waiting.pop())
            if id(option) in seen:
                continue
            seen.add(id(option))
            inner = {name: found for name in _CHOICES if (found := _listed(option, name))}
            if not inner or "string" not in kinds_in(option, self._tool.parameters):
                is_empty = False
                yield option
                continue
            if len(inner) > 1 or len(inner.get("allOf", ())) > 1:
                raise self._refusal("described by several schemas at once", key)
            for found in inner.values():
                waiting += reversed(found)
        if is_empty:
            raise self._refusal("described by nothing but itself", key)

    def _resolved(self, key: str, described: Any) -> Mapping[str, Any]:
        schema = resolved(described, self._tool.parameters)
        if schema is True:
            return _ANYTHING
        if not isinstance(schema, Mapping) or "$ref" in schema:
            raise self._refusal("described by what leads to no schema", key)
        stated = schema.get("type", [])
        for kind in stated if isinstance(stated, list) else [stated]:
            if not isinstance(kind, str) or kind not in KINDS:
                raise self._refusal(f"of the type {quoted(str(kind))}", key)
        return schema

    def _refusal(self, how: str, key: str) -> InvalidRequest:
        return refusal(self._tool, f"{how} in {quoted(key)}")

    def _option(self, key: str, schema: Mapping[str, Any]) -> str:
        if "string" not in kinds_in(schema, self._tool.parameters):
            return self._json(schema)
        choices = [schema["const"]] if "const" in schema else _listed(schema, "enum")
        if choices:
            # As one terminal they are one thing to follow, however many.
            return f"{self._lark.terminal(either(map(_plain, choices)))} {self._end}"
        bounds = list(self._bounds(key, schema))
        if not bounds:
            return self._lark.text_to(self._closing)
        lark = self._lark
        text = lark.text_without(lark.terminal(" & ".join(bounds)), (self._closing,))
        return lark.text_to(self._closing, text=text, before=self._before)

    def _json(self, schema: Mapping[str, Any]) -> str:
        if id(schema) not in self._made:
            rule = self._lark.rule(json_rule({**schema, **self._definitions}))
            self._made[id(schema)] = f"{rule} {self._end}"
        return self._made[id(schema)]

    def _bounds(self, key: str, schema: Mapping[str, Any]) -> Iterator[str]:
        """Yield what a string has to match."""
        for keyword in _UNHELD:
            if keyword in schema:
                raise self._refusal(f"described by {quoted(keyword)}", key)
        lengths = [schema.get(name) for name in ("minLength", "maxLength")]
        least, most = (_whole(length) for length in lengths)
        if (least, most) != ("", ""):
            yield f"/(.|\\n){{{least or 0},{most}}}/"
        if "pattern" in schema:
            pattern = str(schema["pattern"])
            # It may match anywhere in a string.
            begin = "" if pattern.startswith("^") else "(.|\\n)*"
            end = "(.|\\n)*"
            if pattern.endswith("$") and not pattern.endswith("\\$"):
                pattern, end = pattern[:-1], ""
            rule = regex(pattern.removeprefix("^"))
            if rule is None:
                raise self._refusal("described by a pattern that ends within an escape", key)
            yield f"/{begin}({rule[1:-1]}){end}/"
        if "format" in schema:
            form = _TEXT_FORMATS.get(str(schema["format"]))
            if form is None:
                raise self._refusal(f"of the format {quoted(str(schema['format']))}", key)
            yield f"/{form}/"


_ANYTHING: Final[Mapping[str, Any]] = {}


def refusal(tool: ToolRule, how: str) -> InvalidRequest:
    """Return the error for a tool whose calls cannot be held to its schema.

    Args:
        tool: it.
        how: how its arguments are described.
    """
    return InvalidRequest(
        f"The arguments of the tool {quoted(tool.name)} are to follow its schema, where they are "
        f"{how}. This model writes them one by one, between tags, so they can only be held to "
        "plain properties. Describe them so, or leave strict and tool_choice out.",
        param="tools",
    )


def _listed(schema: Mapping[str, Any], key: str) -> Sequence[Any]:
    found = schema.get(key)
    return found if isinstance(found, list) else []


def _whole(length: Any) -> int | str:
    """Return a number of characters; empty if there is none."""
    is_whole = isinstance(length, int) or (isinstance(length, float) and length.is_integer())
    return int(length) if is_whole else ""


def _plain(value: Any) -> str:
    return literal(value if isinstance(value, str) else json.dumps(value))
