"""Grammars of calls whose arguments are plain text between tags."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bodega.errors import InvalidRequest, quoted
from bodega.parsers.call_rules import ToolRule
from bodega.parsers.lark import Lark, either, json_rule, literal, regex
from bodega.parsers.tools import kinds_in, resolved

_COMBINING: Final = ("anyOf", "oneOf", "allOf", "$ref", "patternProperties", "if", "not")
_KEY: Final = re.compile(r"[^<>\n\"'\s]([^<>\n\"']*[^<>\n\"'\s])?")
_MAX_DEPTH: Final = 8
_DEFINITIONS: Final = ("$defs", "definitions")


def qwen3_coder_call(lark: Lark, tool: ToolRule) -> str:
    """Return a call after its first tag."""
    arguments = _arguments(
        lark, tool, "</parameter>", '"<parameter="', '">\\n"', before="\n", after='"\\n"'
    )
    head = literal(f"\n<function={tool.name}>\n")
    return f'{head} {arguments} "</function>\\n" {lark.tag("</tool_call>")}'


def glm4_moe_call(lark: Lark, tool: ToolRule) -> str:
    """Return a call after its first tag; newer models put no line breaks between the tags."""
    between = f"{lark.tag('</arg_key>')} /\\n/? {lark.tag('<arg_value>')}"
    arguments = _arguments(
        lark, tool, "</arg_value>", lark.tag("<arg_key>"), between, before="", after="/\\n/?"
    )
    return f"{literal(tool.name)} /\\n/? {arguments} {lark.tag('</tool_call>')}"


def minimax_m2_call(lark: Lark, tool: ToolRule) -> str:
    """Return a call with a line break after it."""
    arguments = _arguments(
        lark, tool, "</parameter>", '"<parameter name=\\""', '"\\">"', before="", after='"\\n"'
    )
    head = literal(f'<invoke name="{tool.name}">\n')
    return f'{head} {arguments} "</invoke>\\n"'


def _arguments(
    lark: Lark,
    tool: ToolRule,
    closing: str,
    key_opening: str,
    key_closing: str,
    *,
    before: str,
    after: str,
) -> str:
    """Return what stands for all arguments of a call.

    Args:
        lark: where rules are added.
        tool: what is called.
        closing: the tag that ends a value.
        key_opening: what stands before a key, as Lark.
        key_closing: what stands between key and value, as Lark.
        before: the text between value and closing.
        after: what stands after an argument, as Lark.
    """
    if not tool.strict:
        value = lark.text_to(closing)
        return f"({key_opening} /[^<>\\n\"']{{1,64}}/ {key_closing} {value} {after})*"
    properties, required = _properties(tool)
    parts = []
    for key, described in properties.items():
        value = _value(lark, tool, described, closing, before)
        argument = f"{key_opening} {literal(key)} {key_closing} {value} {after}"
        parts.append(argument if key in required else f"({argument})?")
    return " ".join(parts)


def _properties(tool: ToolRule) -> tuple[dict[str, Any], Sequence[str]]:
    """Return the properties of a tool's arguments, and which of them are required."""
    schema = tool.parameters
    for keyword in _COMBINING:
        if keyword in schema:
            raise _refusal(tool, f"described by {quoted(keyword)}")
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        raise _refusal(tool, "described by what is no list of properties")
    properties = {**properties, **{str(key): {} for key in required if key not in properties}}
    for key in properties:
        if not _KEY.fullmatch(key):
            raise _refusal(tool, f"named {quoted(key)} among others")
    return properties, required


def _refusal(tool: ToolRule, how: str) -> InvalidRequest:
    return InvalidRequest(
        f"The arguments of the tool {quoted(tool.name)} are to follow its schema, where they are "
        f"{how}. This model writes them one by one, between tags, so they can only be held to "
        "plain properties. Describe them so, or leave strict and tool_choice out.",
        param="tools",
    )


def _value(
    lark: Lark, tool: ToolRule, described: Any, closing: str, before: str, depth: int = 0
) -> str:
    """Return what stands for one value and its closing tag."""
    schema = resolved(described, tool.parameters)
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return lark.text_to(closing)
    end = f"{literal(before)} {lark.tag(closing)}"
    if "string" not in kinds_in(schema, tool.parameters):
        return f"{lark.rule(json_rule({**schema, **_definitions(tool)}))} {end}"
    for combining in ("anyOf", "oneOf"):
        if options := _listed(schema, combining):
            return either(
                _value(lark, tool, option, closing, before, depth + 1) for option in options
            )
    choices = [schema["const"]] if "const" in schema else _listed(schema, "enum")
    if choices:
        return f"{either(map(_plain, choices))} {end}"
    bounds = list(_bounds(schema))
    if not bounds:
        return lark.text_to(closing)
    text = lark.text_without(lark.terminal(" & ".join(bounds)), (closing,))
    return lark.text_to(closing, text=text, before=before)


def _bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a string has to match."""
    lengths = [schema.get(key) for key in ("minLength", "maxLength")]
    least, most = (length if isinstance(length, int) else "" for length in lengths)
    if (least, most) != ("", ""):
        yield f"/(.|\\n){{{least or 0},{most}}}/"
    if "pattern" in schema:
        pattern = str(schema["pattern"])
        # It may match anywhere in a string.
        begin = "" if pattern.startswith("^") else "(.|\n)*"
        end = "(.|\n)*"
        if pattern.endswith("$") and not pattern.endswith("\\$"):
            pattern, end = pattern[:-1], ""
        rule = regex(f"{begin}({pattern.removeprefix('^')}){end}")
        if rule is not None:
            yield rule


def _listed(schema: Mapping[str, Any], key: str) -> list[Any]:
    found = schema.get(key)
    return found if isinstance(found, list) else []


def _definitions(tool: ToolRule) -> dict[str, Any]:
    """Return what references in a tool's schema lead to."""
    return {key: tool.parameters[key] for key in _DEFINITIONS if key in tool.parameters}


def _plain(value: Any) -> str:
    return literal(value if isinstance(value, str) else json.dumps(value))
