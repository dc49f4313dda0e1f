"""The grammar of a whole answer: thinking, then content or calls."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from bodega.errors import InvalidRequest
from bodega.parsers.call_grammar import arguments_rule, call_grammar
from bodega.parsers.call_rules import CallRules, ToolRule
from bodega.parsers.lark import ANY_TEXT, Lark, either, json_rule, literal, regex
from bodega.parsers.thinking import Begun, ThinkingTags, begun, thinking_tags

__all__ = [
    "CallRules",
    "ToolRule",
    "answer_grammar",
    "grammar_rule",
    "json_object_rule",
    "json_schema_rule",
    "regex_rule",
]

_LINE_BREAKS: Final = "/\\n{1,2}/?"
_NESTED: Final = ("%lark {\n", "\n}")


def json_object_rule() -> str:
    """Return the rule for a JSON object."""
    return json_rule({"type": "object"})


def json_schema_rule(schema: Mapping[str, Any]) -> str:
    """Return the rule for JSON that follows a schema."""
    return json_rule(schema)


def regex_rule(pattern: str) -> str:
    """Return the rule for text that matches a regular expression as a whole.

    Raises:
        InvalidRequest: the expression ends within an escape.
    """
    rule = regex(pattern)
    if rule is None:
        raise InvalidRequest(
            "The regular expression ends with a backslash that escapes nothing. Write two for one.",
            param="response_format.regex",
        )
    return rule


def grammar_rule(text: str) -> str:
    """Return the rule for what a whole grammar allows."""
    return text.join(_NESTED)


def answer_grammar(
    *,
    reasoning: str,
    tool_calls: str,
    markers: Collection[str],
    ending: str,
    content: str | None,
    calls: CallRules | None,
) -> str:
    """Return the grammar of all that a model generates for an answer.

    Args:
        reasoning: the reasoning parser: its thinking comes first, free, unless it is turned off.
        tool_calls: the tool call parser: calls are written in its format.
        markers: texts that are tokens of their own.
        ending: the end of the prompt, after the last message.
        content: the rule of the content; None for none but what the calls' rules allow.
        calls: what calls there may or must be; None for none.

    Raises:
        InvalidRequest: calls cannot be held to these rules in the format.
    """
    lark = Lark(frozenset(markers))
    if "harmony" in (reasoning, tool_calls):
        return lark.written(_harmony(lark, reasoning, tool_calls, ending, content, calls))
    answer = _answer(lark, tool_calls, content, calls)
    thinking = thinking_tags(reasoning)
    before = _thinking(lark, thinking, ending) if thinking else ""
    if not before and content and calls is None and content.startswith(_NESTED[0]):
        return content.removeprefix(_NESTED[0]).removesuffix(_NESTED[1])
    return lark.written(f"{before} {answer}")


def _thinking(lark: Lark, tags: ThinkingTags, ending: str) -> str:
    state = begun(tags, ending)
    if state is Begun.CLOSED:
        return ""
    rest = f"{lark.text_to(tags.closing)} {_LINE_BREAKS}"
    if state is Begun.OPEN:
        return rest
    return f"({_LINE_BREAKS} {lark.tag(tags.opening)} {rest})?"


def _answer(lark: Lark, tool_calls: str, content: str | None, calls: CallRules | None) -> str:
    if calls is None:
        return _content(lark, content)
    grammar = call_grammar(tool_calls, lark, calls)
    if grammar is None:
        raise InvalidRequest(
            "The model was loaded without a parser of tool calls, so calls cannot be asked of it. "
            "Load it with a tool_call_parser.",
            param="tool_choice",
        )
    opening, rest, text = grammar
    options = []
    if content is not None:
        options.append(_content(lark, content))
    if opening is None:
        options.append(rest)
    elif not calls.free_text:
        options.append(f"{_LINE_BREAKS} {lark.tag(opening)} {rest}")
    else:
        options.append(f"{lark.text_to(opening, text=f'({text})?')} {rest}")
    if calls.free_text and not calls.at_least_one:
        options.append(lark.rule(text))
    return either(options)


def _content(lark: Lark, content: str | None) -> str:
    return lark.rule(ANY_TEXT if content is None else content)


def _harmony(
    lark: Lark,
    reasoning: str,
    tool_calls: str,
    ending: str,
    content: str | None,
    calls: CallRules | None,
) -> str:
    start, channel, message = (lark.tag(f"<|{name}|>") for name in ("start", "channel", "message"))
    options = []
    if calls is None or content is not None or (calls.free_text and not calls.at_least_one):
        options.append(f'{channel} "final" {message} {_content(lark, content)}')
    if calls is not None:
        if tool_calls != "harmony":
            raise InvalidRequest(
                "The model's calls are held to tools only with the tool_call_parser harmony.",
                param="tool_choice",
            )
        constrain = f'" "? ({lark.tag("<|constrain|>")}? "json")?'
        for tool in calls.tools:
            to = literal(f"to=functions.{tool.name}")
            options.append(
                f'(" " {to} {channel} "commentary" | {channel} "commentary " {to})'
                f" {constrain} {message} {arguments_rule(lark, tool)}"
            )
    answer = either(options)
    analysis = f'{lark.text_to("<|end|>")} {start} "assistant"'
    begun_head, _, begun_body = ending.rpartition("<|start|>")[2].partition("<|message|>")
    if "<|message|>" in ending.rpartition("<|start|>")[2]:
        is_thinking = "<|channel|>analysis" in begun_head and not begun_body
        # An answer that is gone on with holds no call yet.
        if is_thinking or (calls is not None and calls.at_least_one):
            return f"{analysis} {answer}"
        return _content(lark, content)
    if reasoning != "harmony":
        return answer
    return f'({channel} "analysis" {message} {analysis})* {answer}'
