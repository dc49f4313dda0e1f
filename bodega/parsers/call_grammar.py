"""Grammars of tool calls, for each format that a parser of calls reads."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from bodega.parsers.call_rules import CallRules, ToolRule
from bodega.parsers.lark import SOME_TEXT, Lark, either, json_rule, literal
from bodega.parsers.xml_grammar import glm4_moe_call, minimax_m2_call, qwen3_coder_call

_LINE_BREAK: Final = "/\\n/?"


class CallGrammar(NamedTuple):
    """How a format's calls are written.

    Attributes:
        opening: the tag that they begin with; None where they are all that is said.
        rest: what follows it.
        text: what is said where there are no calls, or before them.
    """

    opening: str | None
    rest: str
    text: str = SOME_TEXT


def call_grammar(name: str, lark: Lark, rules: CallRules) -> CallGrammar | None:
    """Return how calls are written in the format of a parser; None if it has no way of its own."""
    build = _BUILDERS.get(name)
    return None if build is None else build(lark, rules)


def arguments_rule(lark: Lark, tool: ToolRule) -> str:
    """Return what stands for the arguments of a call as JSON."""
    schema = {"type": "object", **tool.parameters} if tool.strict else {"type": "object"}
    return lark.rule(json_rule(schema))


def _many(rules: CallRules, one: str, between: str) -> str:
    """Return what stands for one call, or for several with something between them."""
    return f"{one} ({between} {one})*" if rules.parallel else one


def _named_object(lark: Lark, tool: ToolRule, key: str) -> str:
    head = literal('{"name": ' + literal(tool.name) + f', "{key}": ')
    return f'{head} {arguments_rule(lark, tool)} "}}"'


def _hermes_call(lark: Lark, tool: ToolRule) -> str:
    head = _named_object(lark, tool, "arguments")
    return f'"\\n" {head} "\\n" {lark.tag("</tool_call>")}'


def _tagged(
    *calls: Callable[[Lark, ToolRule], str], bars: tuple[str, ...] = ()
) -> Callable[[Lark, CallRules], CallGrammar]:
    def build(lark: Lark, rules: CallRules) -> CallGrammar:
        one = lark.rule(either(call(lark, tool) for call in calls for tool in rules.tools))
        many = _many(rules, one, f'"\\n" {lark.tag("<tool_call>")}')
        return CallGrammar("<tool_call>", many, lark.text_without(SOME_TEXT, bars))

    return build


def _minimax_m2(lark: Lark, rules: CallRules) -> CallGrammar:
    one = lark.rule(either(minimax_m2_call(lark, tool) for tool in rules.tools))
    closing = lark.tag("</minimax:tool_call>")
    return CallGrammar("<minimax:tool_call>", f'"\\n" {_many(rules, one, "")} {closing}')


def _llama3_json(lark: Lark, rules: CallRules) -> CallGrammar:
    one = lark.rule(either(_named_object(lark, tool, "parameters") for tool in rules.tools))
    tag = "<|python_tag|>"
    calls = f"{lark.tag(tag)}? {_many(rules, one, literal('; '))}"
    return CallGrammar(None, calls, lark.text_without(r"/[^{\s](.|\n)*/", (tag,)))


def _gemma(lark: Lark, rules: CallRules) -> CallGrammar:
    one = lark.rule(either(_named_object(lark, tool, "parameters") for tool in rules.tools))
    many = f' | "[" {one} (", " {one})* "]"' if rules.parallel else ""
    text = lark.text_without(r"/[^{\[`\s](.|\n)*/", ("<start_function_call>", "<|tool_call>"))
    return CallGrammar(None, f"({one}{many})", text)


def _mistral(lark: Lark, rules: CallRules) -> CallGrammar:
    objects = lark.rule(either(_named_object(lark, tool, "arguments") for tool in rules.tools))
    named = lark.rule(
        either(
            f"{literal(tool.name)} {lark.tag('[ARGS]')} {arguments_rule(lark, tool)}"
            for tool in rules.tools
        )
    )
    listed = f'/ /? "[" {_many(rules, objects, literal(", "))} "]"'
    return CallGrammar(
        "[TOOL_CALLS]", f"({listed} | {_many(rules, named, lark.tag('[TOOL_CALLS]'))})"
    )


def _kimi_k2(lark: Lark, rules: CallRules) -> CallGrammar:
    one = lark.rule(
        lark.tag("<|tool_call_begin|>")
        + either(
            f" {literal(f'functions.{tool.name}:')} /[0-9]{{1,3}}/"
            f" {lark.tag('<|tool_call_argument_begin|>')} {arguments_rule(lark, tool)} "
            for tool in rules.tools
        )
        + lark.tag("<|tool_call_end|>")
    )
    end = lark.tag("<|tool_calls_section_end|>")
    text = lark.text_without(SOME_TEXT, ("<|tool_call_begin|>",))
    return CallGrammar("<|tool_calls_section_begin|>", f"{_many(rules, one, '')} {end}", text)


def _deepseek_v3(lark: Lark, rules: CallRules) -> CallGrammar:
    separator, end = lark.tag("<｜tool▁sep｜>"), lark.tag("<｜tool▁call▁end｜>")
    forms = []
    for tool in rules.tools:
        arguments = arguments_rule(lark, tool)
        fence = literal(tool.name + "\n```json\n")
        forms.append(f"{literal(tool.name)} {separator} {arguments}")
        forms.append(f'"function" {separator} {fence} {arguments} "\\n```"')
    one = lark.rule(f"{lark.tag('<｜tool▁call▁begin｜>')} {either(forms)} {end}")
    calls = f"{_many(rules, one, _LINE_BREAK)} {lark.tag('<｜tool▁calls▁end｜>')}"
    text = lark.text_without(SOME_TEXT, ("<｜tool▁call▁begin｜>",))
    return CallGrammar("<｜tool▁calls▁begin｜>", calls, text)


_BUILDERS: Final[Mapping[str, Callable[[Lark, CallRules], CallGrammar]]] = {
    **dict.fromkeys(("hermes", "qwen3", "qwen3_moe", "qwen3_vl"), _tagged(_hermes_call)),
    "qwen3_coder": _tagged(qwen3_coder_call, bars=("<function=",)),
    "qwen3_next": _tagged(_hermes_call, qwen3_coder_call, bars=("<function=",)),
    "glm4_moe": _tagged(glm4_moe_call),
    "minimax_m2": _minimax_m2,
    "llama3_json": _llama3_json,
    "gemma": _gemma,
    "mistral": _mistral,
    "kimi_k2": _kimi_k2,
    "deepseek_v3": _deepseek_v3,
}
