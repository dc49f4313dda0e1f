"""A parser is found by its name, or by what a chat template writes."""

import pytest

from bodega.errors import InvalidRequest
from bodega.parsers.choice import (
    REASONING_PARSERS,
    TOOL_CALL_PARSERS,
    choose_reasoning,
    choose_tool_calls,
)
from bodega.parsers.message import MessageParser
from bodega.parsers.thinking import thinking_tags

TEMPLATES = [
    ('{{ \'<tool_call>\\n{"name": "\' }} <think>\n\n</think>', "qwen3", "qwen3"),
    ("<|vision_start|> <tool_call> <think>", "qwen3_vl", "qwen3_vl"),
    ('<tool_call>\\n{"name": \'', "none", "hermes"),
    ("<tool_call>\n<function=example_function_name>", "none", "qwen3_coder"),
    ("<tool_call>\n<function=example_function_name> <think>", "qwen3", "qwen3_coder"),
    ("<tool_call>{function-name}\n<arg_key> <think></think>", "glm4_moe", "glm4_moe"),
    ("toolcall_begin_token = '<minimax:tool_call>' <think>", "minimax_m2", "minimax_m2"),
    ("<|tool_calls_section_begin|><|tool_call_begin|>", "none", "kimi_k2"),
    ("<|tool_calls_section_begin|> <think></think>", "kimi_k2", "kimi_k2"),
    ("<｜Assistant｜></think> <｜tool▁calls▁begin｜>", "deepseek_v3", "deepseek_v3"),
    ("<|start|>assistant<|channel|>analysis<|message|>", "harmony", "harmony"),
    ("[INST] [TOOL_CALLS]", "none", "mistral"),
    ("[INST] [TOOL_CALLS] [THINK]", "mistral", "mistral"),
    ("[INST] [TOOL_CALLS] <think>", "qwen3", "mistral"),
    ("<|start_header_id|> <|python_tag|>", "none", "llama3_json"),
    ("<start_function_call>call:", "none", "gemma"),
    ("<|tool_call>call:", "none", "gemma"),
    ("<|tool_call>call: <|channel>thought\n<channel|>", "gemma", "gemma"),
    ("<|im_start|>assistant\n", "none", "none"),
    ("<think> {{ content }}", "qwen3", "none"),
    ("", "none", "none"),
]


@pytest.mark.parametrize(("template", "reasoning", "calls"), TEMPLATES)
def test_auto_goes_by_the_template(template: str, reasoning: str, calls: str) -> None:
    assert choose_reasoning("auto", template, ()) == reasoning
    assert choose_tool_calls("auto", template, ()) == calls


def test_none_is_no_parser() -> None:
    assert choose_reasoning(None, "<think>", ()) == "none"
    assert choose_tool_calls(None, "<tool_call>", ()) == "none"
    assert choose_reasoning("none", "<think>", ()) == "none"


def test_every_name_reads_any_output() -> None:
    for reasoning in REASONING_PARSERS:
        for calls in TOOL_CALL_PARSERS:
            parser = MessageParser(
                reasoning=choose_reasoning(reasoning, "", ()),
                tool_calls=choose_tool_calls(calls, "", ()),
                markers=(),
                ending="",
            )
            assert [part.text for part in parser.push("Hello")] == ["Hello"]  # type: ignore[union-attr]


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InvalidRequest, match=r"qwen3_moe.*harmony.*auto") as caught:
        choose_reasoning("qwen4", "", ())
    assert caught.value.param == "reasoning_parser"
    with pytest.raises(InvalidRequest, match=r"gemma.*hermes.*none") as caught:
        choose_tool_calls("qwen4", "", ())
    assert caught.value.param == "tool_call_parser"
    with pytest.raises(InvalidRequest):
        choose_reasoning("hermes", "", ())


def test_tags_of_thinking() -> None:
    assert thinking_tags("qwen3") == ("<think>", "</think>")
    assert thinking_tags("harmony") is None
    assert thinking_tags("none") is None
