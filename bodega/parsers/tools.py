"""What is known of the tools that a model may call."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

KINDS: Final = frozenset({"string", "integer", "number", "boolean", "null", "object", "array"})
"""The types of JSON Schema."""

_MAX_REFERENCES: Final = 16
"""How many references are followed from one to the next: they may be circular."""

_MAX_KEYS: Final = 128
_MAX_KEY_CHARS: Final = 64

_MAX_DEPTH: Final = 32
"""How deep schemas that combine others are looked into."""


class Tools:
    """The tools of a request, as OpenAI's API has them, by their names.

    Attributes:
        only_known: no other name is a call's while this is set.
    """

    def __init__(self, tools: Sequence[Mapping[str, Any]]) -> None:
        self.only_known = False
        functions = [tool.get("function", tool) for tool in tools]
        self._parameters: dict[str, Any] = {
            function["name"]: function.get("parameters") or {} for function in functions
        }

    def may_be(self, name: str) -> bool:
        """Whether there may be a tool of this name: any may be where none are known."""
        return not self._parameters or name in self._parameters

    def accepts(self, name: str) -> bool:
        """Whether a name is a call's where it stands."""
        return bool(name) and (not self.only_known or self.may_be(name))

    def keys(self, name: str) -> Sequence[str]:
        """Return the names of a tool's parameters; of many or long ones only some."""
        properties = self._properties(name)
        short = (key for key in properties if len(key) <= _MAX_KEY_CHARS)
        return tuple(islice(short, _MAX_KEYS))

    def _properties(self, name: str) -> Mapping[str, Any]:
        root = self._parameters.get(name)
        properties = root.get("properties") if isinstance(root, Mapping) else None
        return properties if isinstance(properties, Mapping) else {}

    def kinds(self, name: str, key: str) -> frozenset[str] | None:
        """Return the types that a parameter may have; None if it is unknown."""
        properties = self._properties(name)
        return kinds_in(properties[key], self._parameters[name]) if key in properties else None


def kinds_in(schema: Any, root: Mapping[str, Any]) -> frozenset[str]:
    """Return the types that a schema allows; references in it are to the root."""
    return _kinds(schema, root, {}, _MAX_DEPTH) or KINDS


def _kinds(
    schema: Any, root: Mapping[str, Any], known: dict[int, frozenset[str]], depth: int
) -> frozenset[str]:
    """Return the types that a schema allows.

    Args:
        schema: any.
        root: what its references are to.
        known: the types of schemas that combine others, by their identity: each is looked into
            once, or a few references to one another would take for ever.
        depth: how much deeper to look.
    """
    schema = resolved(schema, root)
    if not isinstance(schema, Mapping) or not depth:
        return KINDS
    if "type" in schema:
        stated = schema["type"]
        return frozenset(kind for kind in KINDS if kind == stated or kind in _list(stated))
    if "const" in schema:
        return frozenset({kind_of(schema["const"])})
    if isinstance(schema.get("enum"), list):
        return frozenset(map(kind_of, schema["enum"]))
    for choice in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(choice), list) and schema[choice]:
            if id(schema) not in known:
                # What a schema allows through itself adds nothing to it, and bars nothing.
                known[id(schema)] = KINDS if choice == "allOf" else frozenset()
                found = [_kinds(option, root, known, depth - 1) for option in schema[choice]]
                combine = frozenset.intersection if choice == "allOf" else frozenset.union
                known[id(schema)] = combine(*found)
            return known[id(schema)]
    return KINDS


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def resolved(schema: Any, root: Mapping[str, Any]) -> Any:
    """Return what a schema's reference leads to within the root; without one, the schema."""
    for _ in range(_MAX_REFERENCES):
        if not isinstance(schema, Mapping) or "$ref" not in schema:
            break
        found: Any = root
        for step in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
            found = found.get(step) if isinstance(found, Mapping) else None
        schema = found
    return schema


def kind_of(value: Any) -> str:
    """Return the type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case Mapping():
            return "object"
        case _:
            return "array"
