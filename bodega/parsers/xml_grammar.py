"""Grammars of calls whose arguments are plain text between tags."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from bodega.errors import InvalidRequest, quoted
from bodega.parsers.call_rules import ToolRule
from bodega.parsers.lark import ANY_TEXT, Lark, either, json_rule, literal
from bodega.parsers.tools import kinds_in

_COMBINING: Final = ("anyOf", "oneOf", "allOf", "$ref", "patternProperties", "if", "not")
_LENGTHS: Final = ("minLength", "maxLength")

Write = Callable[[str, str], str]
"""Returns what stands for an argument, of a key (as Lark) and what stands for value and closing."""


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
        value = lark.text_to(closing, before=before)
        return f"({key_opening} /[^<>\\n\"']{{1,64}}/ {key_closing} {value} {after})*"
    schema = _resolved(tool)
    required = schema.get("required", ())
    properties = {**schema.get("properties", {})}
    for key in required:
        properties.setdefault(key, {})
    parts = []
    for key, described in properties.items():
        value = _value(lark, tool, key, described, closing, before)
        argument = f"{key_opening} {literal(key)} {key_closing} {value} {after}"
        parts.append(argument if key in required else f"({argument})?")
    return " ".join(parts)


def _resolved(tool: ToolRule) -> Mapping[str, Any]:
    for keyword in _COMBINING:
        if keyword in tool.parameters:
            raise InvalidRequest(
                f"The tool {quoted(tool.name)} is strict, and its parameters are described by "
                f"{quoted(keyword)}. This model writes its arguments one by one, so they can only "
                "be held to properties. Describe them so, or leave strict out.",
                param="tools",
            )
    return tool.parameters


def _value(lark: Lark, tool: ToolRule, key: str, described: Any, closing: str, before: str) -> str:
    """Return what stands for one value and its closing tag."""
    kinds = kinds_in(described, tool.parameters)
    if "string" not in kinds:
        schema = {**(described if isinstance(described, Mapping) else {}), **_definitions(tool)}
        return f"{lark.rule(json_rule(schema))} {literal(before)} {lark.tag(closing)}"
    if not isinstance(described, Mapping):
        return lark.text_to(closing, before=before)
    choices = [described["const"]] if "const" in described else described.get("enum")
    if choices:
        return f"{either(map(_plain, choices))} {literal(before)} {lark.tag(closing)}"
    return lark.text_to(closing, before=before, text=_text(described))


def _definitions(tool: ToolRule) -> dict[str, Any]:
    return {
        name: tool.parameters[name] for name in ("$defs", "definitions") if name in tool.parameters
    }


def _plain(value: Any) -> str:
    return literal(value) if isinstance(value, str) else json_rule({"const": value})


def _text(described: Mapping[str, Any]) -> str:
    """Return what stands for the text of a string."""
    if not any(name in described for name in _LENGTHS):
        return ANY_TEXT
    least, most = described.get("minLength", 0), described.get("maxLength", "")
    return f"/(.|\\n){{{int(least)},{most}}}/"
