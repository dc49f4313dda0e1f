"""Grammars of calls whose arguments are plain text between tags."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bodega.errors import quoted
from bodega.parsers.call_rules import ToolRule
from bodega.parsers.lark import Lark, literal
from bodega.parsers.xml_values import XmlValues, refusal

_COMBINING: Final = ("anyOf", "oneOf", "allOf", "$ref", "patternProperties", "if", "not")
_KEY: Final = re.compile(r"[^<>\n\"'\s]([^<>\n\"']*[^<>\n\"'\s])?")


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
    values = XmlValues(lark, tool, closing, before)
    parts = []
    for key, described in properties.items():
        value = values.value(key, described)
        argument = f"{key_opening} {literal(key)} {key_closing} {value} {after}"
        parts.append(argument if key in required else f"({argument})?")
    return " ".join(parts)


def _properties(tool: ToolRule) -> tuple[dict[str, Any], Sequence[str]]:
    """Return the properties of a tool's arguments, and which of them are required."""
    schema = tool.parameters
    for keyword in _COMBINING:
        if keyword in schema:
            raise refusal(tool, f"described by {quoted(keyword)}")
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        raise refusal(tool, "described by what is no list of properties")
    if not all(isinstance(key, str) for key in required):
        raise refusal(tool, "required by what is no name")
    properties = {**properties, **{key: {} for key in required if key not in properties}}
    for key in properties:
        if not _KEY.fullmatch(key):
            raise refusal(tool, f"named {quoted(key)} among others")
    return properties, required
