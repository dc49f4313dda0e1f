"""Grammars allow what a format's parser reads, and nothing else."""

import json
from functools import cache
from typing import Any

import jsonschema
import pytest

from bodega.errors import InvalidRequest
from bodega.parsers.grammar import (
    CallRules,
    ToolRule,
    answer_grammar,
    grammar_rule,
    json_object_rule,
    json_schema_rule,
    regex_rule,
)
from bodega.parsers.message import MessageParser
from tests.parsers.goldens import (
    ASSISTANT,
    DEEPSEEK,
    GEMMA,
    GLM,
    GOLDENS,
    HARMONY,
    KIMI,
    LLAMA,
    MINIMAX,
    MISTRAL,
    QWEN,
    TOOLS,
    WEATHER,
)
from tests.parsers.matching import Vocabulary
from tests.parsers.reading import join

RULES = (
    ToolRule(name="get_weather", parameters=WEATHER, strict=True),
    ToolRule(name="now", parameters={"type": "object"}, strict=False),
)

FORMATS = {
    "qwen3": ("qwen3", QWEN, ""),
    "hermes": ("none", QWEN, ""),
    "qwen3_next": ("qwen3_next", QWEN, "<think>\n"),
    "qwen3_coder": ("none", QWEN, ""),
    "glm4_moe": ("glm4_moe", GLM, ""),
    "minimax_m2": ("minimax_m2", MINIMAX, "<think>\n"),
    "kimi_k2": ("kimi_k2", KIMI, ""),
    "deepseek_v3": ("deepseek_v3", DEEPSEEK, "<think>"),
    "mistral": ("none", MISTRAL, ""),
    "llama3_json": ("none", LLAMA, ""),
    "gemma": ("none", GEMMA, ""),
    "harmony": ("harmony", HARMONY, ASSISTANT),
}


@cache
def vocabulary(markers: tuple[str, ...]) -> Vocabulary:
    return Vocabulary(markers)


def grammar_of(
    calls: str,
    *,
    markers: tuple[str, ...] | None = None,
    content: str | None = None,
    at_least_one: bool = True,
    parallel: bool = True,
    free_text: bool = False,
    has_calls: bool = True,
    tools: tuple[ToolRule, ...] = RULES,
) -> str:
    reasoning, all_markers, ending = FORMATS[calls]
    rules = CallRules(
        tools=tools, at_least_one=at_least_one, parallel=parallel, free_text=free_text
    )
    return answer_grammar(
        reasoning=reasoning,
        tool_calls=calls,
        markers=all_markers if markers is None else markers,
        ending=ending,
        content=content,
        calls=rules if has_calls else None,
    )


@pytest.mark.parametrize("calls", FORMATS)
def test_what_is_allowed_is_read_as_calls_that_follow_their_schemas(calls: str) -> None:
    reasoning, markers, ending = FORMATS[calls]
    words = vocabulary(markers)
    for seed in range(6):
        free = seed % 2 == 1
        text, places = words.wander(grammar_of(calls, free_text=free, at_least_one=True), seed)
        parser = MessageParser(
            reasoning=reasoning, tool_calls=calls, markers=markers, ending=ending, tools=TOOLS
        )
        said = join([*parser.push(text, places), *parser.finish()])
        assert said.closed, text
        assert len(said.closed) == len(said.calls)
        assert free or not said.content
        for name, _, arguments in said.calls.values():
            assert name in ("get_weather", "now")
            if name == "get_weather":
                jsonschema.validate(json.loads(arguments), WEATHER)


CALLS = {
    "qwen3": [
        '<think>\nHm.\n</think>\n\n<tool_call>\n{"name": "get_weather", "arguments": '
        '{"city": "Oslo", "days": 2}}\n</tool_call>\n<tool_call>\n{"name": "now", "arguments": {}}'
        "\n</tool_call>",
        '<tool_call>\n{"name": "now", "arguments": {"any": [1, {"b":null}]}}\n</tool_call>',
    ],
    "qwen3_coder": [
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nNew\n</York>\n</parameter>\n"
        "<parameter=days>\n-3\n</parameter>\n<parameter=unit>\nC\n</parameter>\n</function>\n"
        "</tool_call>",
    ],
    "glm4_moe": [
        "\n<think>Hm.</think>\n<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Oslo"
        "</arg_value>\n<arg_key>exact</arg_key>\n<arg_value>true</arg_value>\n</tool_call>",
        "\n<tool_call>get_weather<arg_key>city</arg_key><arg_value>a</arg_value></tool_call>",
    ],
    "minimax_m2": [
        'Hm.\n</think>\n\n<minimax:tool_call>\n<invoke name="get_weather">\n<parameter name="city">'
        'Oslo</parameter>\n</invoke>\n<invoke name="now">\n</invoke>\n</minimax:tool_call>',
    ],
    "kimi_k2": [
        "<think>Hm.</think><|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
        '<|tool_call_argument_begin|>{"city": "Oslo"}<|tool_call_end|><|tool_calls_section_end|>',
    ],
    "deepseek_v3": [
        "Hm.</think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>"
        '{"city": "Oslo"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
        "Hm.</think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n"
        '```json\n{"city": "Oslo"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    ],
    "mistral": [
        '[TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "Oslo"}}]',
        '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Oslo"}}]',
        '[TOOL_CALLS]get_weather[ARGS]{"city": "Oslo"}[TOOL_CALLS]now[ARGS]{}',
    ],
    "llama3_json": [
        '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Oslo"}}',
        '{"name": "now", "parameters": {}}; {"name": "now", "parameters": {}}',
    ],
    "gemma": ['{"name": "get_weather", "parameters": {"city": "Oslo"}}'],
    "harmony": [
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary "
        'to=functions.get_weather <|constrain|>json<|message|>{"city": "Oslo"}',
        ' to=functions.get_weather<|channel|>commentary json<|message|>{"city": "Oslo"}',
    ],
}


@pytest.mark.parametrize("calls", CALLS)
@pytest.mark.parametrize("has_tokens", [True, False], ids=["tokens", "text"])
def test_calls_are_held_to_names_and_schemas(calls: str, has_tokens: bool) -> None:
    markers = FORMATS[calls][1] if has_tokens else ()
    words = vocabulary(markers)
    grammar = grammar_of(calls, markers=markers)
    for text in CALLS[calls]:
        assert words.allows(grammar, text), text
        assert not words.allows(
            grammar, text.replace("get_weather", "get_whether").replace("now", "no")
        )
        assert not words.allows(grammar, text.replace("city", "town").replace("now", "no"))
        assert not words.allows(grammar, f"{text}.")
        assert not words.allows(grammar, f"I look. {text}") or "</think>" in text
    assert not words.allows(grammar, "Hello")


@pytest.mark.parametrize("calls", CALLS)
@pytest.mark.parametrize("has_tokens", [True, False], ids=["tokens", "text"])
def test_free_text_may_stand_before_calls_or_alone(calls: str, has_tokens: bool) -> None:
    markers = FORMATS[calls][1]
    words = vocabulary(markers if has_tokens else ())
    grammar = grammar_of(
        calls, markers=markers if has_tokens else (), at_least_one=False, free_text=True
    )
    think = {"qwen3_next": "a</think>", "minimax_m2": "a</think>", "deepseek_v3": "a</think>"}
    hello = "<|channel|>final<|message|>Hello" if calls == "harmony" else "Hello {1}"
    assert words.allows(grammar, think.get(calls, "") + hello)
    for text in CALLS[calls]:
        assert words.allows(grammar, text), text
        if "get_weather" in text:
            assert not words.allows(grammar, text.replace("city", "town"))


def test_one_call_where_calls_may_not_be_parallel() -> None:
    words = vocabulary(QWEN)
    grammar = grammar_of("hermes", parallel=False)
    one = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
    assert words.allows(grammar, one)
    assert not words.allows(grammar, f"{one}\n{one}")


SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}

CONTENTS = [
    (json_object_rule(), '{"b": [1,2]}', "[]"),
    (json_schema_rule(SCHEMA), '{"a": 1}', '{"a": "1"}'),
    (json_schema_rule(SCHEMA), '{"a":1}', '{"a":   1}'),
    (json_schema_rule(SCHEMA), '{"a":1}', '{"a":1}\n'),
    (json_schema_rule({"$defs": {"x": SCHEMA}, "$ref": "#/$defs/x"}), '{"a":1}', "{}"),
    (json_schema_rule({"const": "<[1]> <b>"}), '"<[1]> <b>"', '"<[1]> <c>"'),
    (regex_rule(r"[a-z]+/\d{2}"), "ab/12", "ab/1"),
    (regex_rule("a\nb"), "a\nb", "ab"),
    (regex_rule(""), "", "a"),
    (regex_rule(r"\\/"), "\\/", "/"),
    (grammar_rule('start: "a" more # }\nmore: "b"+\n%ignore / /'), "a bb", "a"),
]


@pytest.mark.parametrize(("rule", "good", "bad"), CONTENTS)
@pytest.mark.parametrize("ending", ["", "<think>\n", "<think>\n\n</think>\n\n"])
@pytest.mark.parametrize("markers", [QWEN, ()], ids=["tokens", "text"])
def test_content_is_constrained_after_thinking(
    rule: str, good: str, bad: str, ending: str, markers: tuple[str, ...]
) -> None:
    words = vocabulary(markers)
    grammar = answer_grammar(
        reasoning="qwen3",
        tool_calls="none",
        markers=markers,
        ending=ending,
        content=rule,
        calls=None,
    )
    before = ["Hm.\n</think>\n\n", "</think>"] if ending == "<think>\n" else [""]
    if not ending:
        before += ["<think>\nHm.\n</think>\n\n", "<think></think>"]
    for text in before:
        assert words.allows(grammar, text + good)
        assert not words.allows(grammar, text + bad)
    if "</think>" in ending:
        assert not words.allows(grammar, f"<think></think>{good}")
    elif ending:
        assert not words.allows(grammar, good)


@pytest.mark.parametrize("markers", [(*MISTRAL, "[THINK]", "[/THINK]"), ()], ids=["tokens", "text"])
def test_content_is_constrained_after_thinking_in_brackets(markers: tuple[str, ...]) -> None:
    grammar = answer_grammar(
        reasoning="mistral",
        tool_calls="none",
        markers=markers,
        ending="[/INST]",
        content=json_object_rule(),
        calls=None,
    )
    for text in ("{}", "[THINK]Hm.[/THINK]{}"):
        assert vocabulary(markers).allows(grammar, text)
    for text in ("[THINK]Hm.[/THINK]So", "[THINK]{}"):
        assert not vocabulary(markers).allows(grammar, text)


def test_content_is_constrained_without_a_reasoning_parser() -> None:
    grammar = answer_grammar(
        reasoning="none",
        tool_calls="none",
        markers=QWEN,
        ending="<think>\n",
        content=json_object_rule(),
        calls=None,
    )
    assert vocabulary(QWEN).allows(grammar, "{}")
    assert not vocabulary(QWEN).allows(grammar, "<think></think>{}")


def test_harmony_constrains_the_final_message() -> None:
    words = vocabulary(HARMONY)
    grammar = grammar_of("harmony", content=json_object_rule(), has_calls=False)
    final = "<|channel|>final<|message|>{}"
    assert words.allows(grammar, final)
    assert words.allows(
        grammar, f"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant{final}"
    )
    assert not words.allows(grammar, "<|channel|>final<|message|>Hello")
    assert not words.allows(grammar, "{}")


def test_harmony_has_to_call_after_a_message_that_it_goes_on_with() -> None:
    tool = ToolRule(name="now", parameters={}, strict=True)
    grammar = answer_grammar(
        reasoning="harmony",
        tool_calls="harmony",
        markers=HARMONY,
        ending="<|start|>assistant<|channel|>final<|message|>It",
        content=None,
        calls=CallRules(tools=[tool], at_least_one=True, parallel=True, free_text=False),
    )
    words = vocabulary(HARMONY)
    call = " to=functions.now<|channel|>commentary json<|message|>{}"
    assert words.allows(grammar, f" snows.<|end|><|start|>assistant{call}")
    assert not words.allows(grammar, " snows.")


def test_content_or_calls() -> None:
    words = vocabulary(QWEN)
    grammar = grammar_of("qwen3", content=json_object_rule(), at_least_one=False)
    assert words.allows(grammar, '{"a": 1}')
    assert words.allows(grammar, '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>')
    assert not words.allows(grammar, "Hello")


def test_a_whole_grammar_stays_as_it_is_where_nothing_stands_before_it() -> None:
    text = "start: foo"
    grammar = answer_grammar(
        reasoning="none",
        tool_calls="none",
        markers=QWEN,
        ending="",
        content=grammar_rule(text),
        calls=None,
    )
    assert grammar == text


def test_what_cannot_be_constrained_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        regex_rule("a\\")
    assert caught.value.param == "response_format.regex"
    loop = {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]}
    parameters: Any
    described: Any
    for parameters in (
        {"anyOf": [SCHEMA]},
        {"properties": []},
        {"properties": {"<a>": {}}},
        {"required": [{}]},
    ):
        tool = ToolRule(name="f", parameters=parameters, strict=True)
        with pytest.raises(InvalidRequest) as caught:
            grammar_of("qwen3_coder", tools=(tool,))
        assert caught.value.param == "tools"
        assert grammar_of("hermes", tools=(tool,))
    for described in (
        {"$ref": "#/$defs/nothing"},
        {"$ref": "#/$defs/a"},
        {"type": "string", "pattern": "a\\"},
        {"type": "string", "format": "hostname"},
        {"type": "strin"},
        {"type": ["string", {}]},
        {"enum": []},
        {"type": "string", "not": {"const": "a"}},
        {"allOf": [{"minLength": 1}, {"maxLength": 2}]},
    ):
        parameters = {"properties": {"a": described}, "$defs": {"a": loop, "b": loop}}
        with pytest.raises(InvalidRequest) as caught:
            grammar_of(
                "qwen3_coder", tools=(ToolRule(name="f", parameters=parameters, strict=True),)
            )
        assert caught.value.param == "tools"
        assert "'a'" in caught.value.message


def test_schemas_that_refer_to_each_other_are_looked_into_once() -> None:
    several = [{"$ref": f"#/$defs/{at}"} for at in range(9)]
    parameters = {
        "properties": {"a": {"$ref": "#/$defs/0"}},
        "required": ["a"],
        "$defs": {str(at): {"oneOf": [*several, {"const": str(at)}]} for at in range(9)},
    }
    tools = (ToolRule(name="f", parameters=parameters, strict=True),)
    grammar = grammar_of("glm4_moe", tools=tools, markers=GLM)
    call = "<tool_call>f<arg_key>a</arg_key><arg_value>{}</arg_value></tool_call>"
    assert vocabulary(GLM).allows(grammar, call.format(8))
    assert not vocabulary(GLM).allows(grammar, call.format(9))


def test_a_grammar_does_not_grow_without_bounds() -> None:
    parameters = {
        "properties": {str(at): {"items": {"$ref": "#/$defs/a"}, "type": "array", "maxItems": at}
            for at in range(200)},
        "$defs": {"a": {"const": "a" * 9000}},
    }  # fmt: skip
    with pytest.raises(InvalidRequest, match="Make their schemas shorter") as caught:
        grammar_of("qwen3_coder", tools=(ToolRule(name="f", parameters=parameters, strict=True),))
    assert caught.value.param == "tools"


BOUND = {
    "type": "object",
    "$defs": {"color": {"enum": ["red", "blue"]}},
    "properties": {
        "code": {"type": "string", "minLength": 2, "maxLength": 3.0},
        "zip": {"type": "string", "pattern": "^[0-9]+$"},
        "color": {"anyOf": [{"$ref": "#/$defs/color"}, {"type": "null"}]},
        "other": {"allOf": [{"$ref": "#/$defs/color"}], "default": "red"},
        "day": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "at": {"type": "string", "format": "date-time"},
        "link": {"type": "string", "format": "uri", "maxLength": 30},
        "size": {"type": "integer", "maximum": 9},
    },
    "required": ["code"],
}


@pytest.mark.parametrize("markers", [QWEN, ()], ids=["tokens", "text"])
@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("code", "ab", "a"),
        ("code", "abc", "abcd"),
        ("zip", "12", "1a"),
        ("color", "red", "green"),
        ("color", "null", "nul"),
        ("other", "blue", "green"),
        ("day", "2026-02-28", "2026-13-01"),
        ("at", "2026-02-28T09:30:00.5+01:00", "2026-02-28"),
        ("link", "https://a.example/b?c=d", "a.example"),
        ("size", "7", "12"),
    ],
)
def test_text_between_tags_is_held_to_its_schema(
    markers: tuple[str, ...], key: str, good: str, bad: str
) -> None:
    tools = (ToolRule(name="f", parameters=BOUND, strict=True),)

    def call(value: str) -> str:
        code = "" if key == "code" else "<parameter=code>\nab\n</parameter>\n"
        argument = f"<parameter={key}>\n{value}\n</parameter>\n"
        return f"<tool_call>\n<function=f>\n{code}{argument}</function>\n</tool_call>"

    grammar = grammar_of("qwen3_coder", markers=markers, tools=tools)
    assert vocabulary(markers).allows(grammar, call(good))
    assert not vocabulary(markers).allows(grammar, call(bad))


def test_golden_calls_are_allowed_where_they_follow_their_schemas() -> None:
    for name in ("kimi_k2", "deepseek_v3", "deepseek_v3, as of V3.1"):
        golden = next(golden for golden in GOLDENS if golden.name == name)
        grammar = answer_grammar(
            reasoning=golden.reasoning,
            tool_calls=golden.tool_calls,
            markers=golden.markers,
            ending=golden.ending,
            content=None,
            calls=CallRules(tools=RULES, at_least_one=False, parallel=True, free_text=True),
        )
        assert vocabulary(golden.markers).allows(grammar, golden.text)
