"""Where in a JSON schema it is that it cannot be compiled: llguidance tells what alone."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

_NAMED: Final = ("properties", "patternProperties", "dependentSchemas")
_LISTED: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE: Final = ("items", "additionalProperties", "contains", "propertyNames", "not")
_DEFINITIONS: Final = ("$defs", "definitions")

Fault = Callable[[str], str | None]
"""Returns what is wrong with a grammar; None if nothing is."""


def schema_place(grammar: str, wrong: str, fault: Fault, until_s: float) -> str | None:
    """Return the place of the smallest schema within a grammar that has a fault.

    Args:
        grammar: Lark with schemas in it.
        wrong: what is wrong with the whole.
        fault: compiles grammars.
        until_s: when to look no further, by the monotonic clock.
    """
    for schema in _schemas(grammar):
        search = _Search(schema, wrong, fault, until_s)
        if search.has_fault(schema):
            return search.descend(schema, "") or None
    return None


def _schemas(grammar: str) -> Iterator[Mapping[str, Any]]:
    decoder = json.JSONDecoder()
    at = 0
    while (at := grammar.find("%json", at)) >= 0:
        at += len("%json")
        begin = at + len(grammar[at:]) - len(grammar[at:].lstrip())
        try:
            schema, at = decoder.raw_decode(grammar, begin)
        except ValueError:
            continue
        if isinstance(schema, dict):
            yield schema


class _Search:
    """Looks for one fault, from the whole of a schema to ever smaller parts of it."""

    def __init__(self, root: Mapping[str, Any], wrong: str, fault: Fault, until_s: float) -> None:
        self._definitions = {name: root[name] for name in _DEFINITIONS if name in root}
        self._wrong = wrong
        self._fault = fault
        self._until_s = until_s

    def has_fault(self, schema: Any) -> bool:
        """Return whether a part has the fault by itself."""
        if time.monotonic() > self._until_s or not isinstance(schema, dict):
            return False
        text = json.dumps({**schema, **self._definitions}, ensure_ascii=False)
        return self._fault(f"start: %json {text}") == self._wrong

    def descend(self, schema: Mapping[str, Any], place: str) -> str:
        """Return the place of the smallest part that has it, in a part that has it."""
        for inner_place, inner in self._parts(schema, place):
            if self.has_fault(inner):
                return self.descend(inner, inner_place)
        return place

    def _parts(self, schema: Mapping[str, Any], place: str) -> Iterator[tuple[str, Any]]:
        before = f"{place}." if place else ""
        for keyword in _NAMED:
            named = schema.get(keyword)
            for name, inner in named.items() if isinstance(named, dict) else ():
                yield f"{before}{keyword}.{name}", inner
        for keyword in _LISTED:
            listed = schema.get(keyword)
            for at, inner in enumerate(listed if isinstance(listed, list) else ()):
                yield f"{before}{keyword}[{at}]", inner
        for keyword in _SINGLE:
            if keyword in schema:
                yield f"{before}{keyword}", schema[keyword]
        for keyword in _DEFINITIONS:
            start, named = f"#/{keyword}/", self._definitions.get(keyword)
            name = str(schema.get("$ref", "")).removeprefix(start)
            if isinstance(named, dict) and schema.get("$ref") == start + name and name in named:
                yield f"{keyword}.{name}", named[name]
