"""Every format's outputs say the same however they are cut."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodega.parsers.choice import REASONING_PARSERS, TOOL_CALL_PARSERS
from bodega.parsers.message import MessageParser
from bodega.parsers.parts import CallArguments, CallOpened, Content, Reasoning
from tests.parsers.goldens import GOLDENS, QWEN, TOOLS, Golden
from tests.parsers.reading import Said, join, parser_of, read, spans

TAGS = (
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<function=now>", "</function>",
    "<parameter=a>", "</parameter>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>",
    "<minimax:tool_call>", "</minimax:tool_call>", '<invoke name="now">', "</invoke>",
    '<parameter name="a">', "<|tool_calls_section_begin|>", "<|tool_call_begin|>", "functions.f:0",
    "<|tool_call_argument_begin|>", "<|tool_call_end|>", "<|tool_calls_section_end|>",
    "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>",
    "[TOOL_CALLS]", "[ARGS]", "<|python_tag|>", "<start_function_call>", "call:now{", "<escape>",
    "<|tool_call>", "<tool_call|>", '<|"|>', "a:", "<|start|>", "<|channel|>", "<|message|>",
    "<|end|>", "assistant", "analysis", "final", " to=functions.now", "now", '"parameters": ',
    '{"name": "now", "arguments": ', "{}", "}", "{", "[", "]", ",", '"', "\\", "```json", "```",
    "\n", " ", "<", "</", "<|", "1", "e", "é",
)  # fmt: skip


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
@pytest.mark.parametrize("has_tokens", [True, False], ids=["tokens", "text"])
def test_an_answer_says_what_the_model_wrote(golden: Golden, has_tokens: bool) -> None:
    markers = golden.markers if has_tokens or golden.needs_tokens else ()
    said = read(parser_of(golden, markers), golden.text, spans(golden.text, markers))
    assert said.content == (golden.content or "")
    assert said.thinking == (golden.thinking or "")
    whole = [(said.calls[at][0], json.loads(said.calls[at][2])) for at in said.closed]
    assert whole == list(golden.calls)
    assert list(said.cut.values()) == list(golden.cut)
    assert len(said.calls) == len(golden.calls) + len(golden.cut)
    ids = [call_id for _, call_id, _ in said.calls.values() if call_id]
    assert ids == list(golden.ids)


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
@pytest.mark.parametrize("has_tokens", [True, False], ids=["tokens", "text"])
def test_a_cut_anywhere_changes_nothing(golden: Golden, has_tokens: bool) -> None:
    markers = golden.markers if has_tokens else ()
    places = spans(golden.text, markers)

    def cut(cuts: Sequence[int]) -> Said:
        return read(parser_of(golden, markers), golden.text, places, cuts)

    whole = cut(())
    assert cut(range(len(golden.text))) == whole
    for at in range(1, len(golden.text)):
        assert cut((at,)) == whole


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_output_that_ends_anywhere_has_no_call_that_is_not_whole(golden: Golden) -> None:
    places = spans(golden.text, golden.markers)
    whole = read(parser_of(golden, golden.markers), golden.text, places)
    for end in range(len(golden.text)):
        here = [place for place in places if place[1] <= end]
        said = read(parser_of(golden, golden.markers), golden.text[:end], here)
        for index, call in said.calls.items():
            assert call[:2] == whole.calls[index][:2]
            assert (index in said.closed) != (index in said.cut)
            assert index not in said.closed or (call == whole.calls[index])
            assert said.cut.get(index, "") in golden.text[:end]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(TAGS), max_size=30),
    st.sampled_from([name for name in REASONING_PARSERS if name != "auto"]),
    st.sampled_from([name for name in TOOL_CALL_PARSERS if name != "auto"]),
    st.sets(st.sampled_from([tag for tag in TAGS if len(tag) > 3 and tag[0] in "<["])),
    st.sampled_from(["", "<think>\n", "<|start|>assistant", "</think>"]),
    st.data(),
)
def test_whatever_a_model_writes_is_read_the_same_however_it_is_cut(
    pieces: list[str],
    reasoning: str,
    calls: str,
    markers: set[str],
    ending: str,
    data: st.DataObject,
) -> None:
    text = "".join(pieces)
    places = spans(text, markers)

    def parser() -> MessageParser:
        return MessageParser(
            reasoning=reasoning, tool_calls=calls, markers=markers, ending=ending, tools=TOOLS
        )

    whole = read(parser(), text, places)
    cuts = data.draw(st.sets(st.integers(0, max(len(text) - 1, 0))))
    assert read(parser(), text, places, cuts) == whole
    assert read(parser(), text, places, range(len(text))) == whole
    if not whole.calls and "harmony" not in (reasoning, calls):
        kept = whole.shown
        for tag in ("<think>", "</think>") if reasoning != "none" else ():
            kept, text = kept.replace(tag, ""), text.replace(tag, "")
        assert "".join(kept.split()) == "".join(text.split())


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.sampled_from(GOLDENS))
def test_text_without_tags_is_content(text: str, golden: Golden) -> None:
    parser = MessageParser(reasoning="none", tool_calls="hermes", markers=QWEN, ending="")
    assert join([*parser.push(text), *parser.finish()]).content == text


def test_parts_leave_as_soon_as_they_are_certain() -> None:
    parser = MessageParser(reasoning="qwen3", tool_calls="qwen3", markers=(), ending="")
    assert parser.push("<think>\nSo") == [Reasoning("So")]
    assert parser.thinking
    assert parser.push(" far</th") == [Reasoning(" far")]
    assert parser.push("ink>\n\nA ") == [Content("A")]
    assert not parser.thinking
    assert parser.push("< b") == [Content(" < b")]
    assert parser.push('\n<tool_call>\n{"name": "now"') == []
    opened = parser.push(', "arguments": {"a')
    assert opened == [CallOpened(0, "now"), CallArguments(0, '{"a')]
    assert parser.push('": "<') == [CallArguments(0, '": "<')]


def test_an_answer_in_json_is_not_taken_for_a_call() -> None:
    parser = MessageParser(reasoning="none", tool_calls="llama3_json", markers=(), ending="")
    assert parser.push('{"title": ') == [Content('{"title":')]
    assert parser.push('"A') == [Content(' "A')]


def test_a_string_argument_leaves_as_it_comes() -> None:
    parser = MessageParser(
        reasoning="none", tool_calls="qwen3_coder", markers=QWEN, ending="", tools=TOOLS
    )
    parser.push("<tool_call>", [(0, 11)])
    parser.push("\n<function=get_weather>\n<parameter=city>")
    assert parser.push('\nNew "Yo') == [CallArguments(0, '"New \\"Yo')]
    assert parser.push("rk\n") == [CallArguments(0, "rk")]


def test_the_prompt_says_whether_thinking_is_open() -> None:
    def is_thinking(reasoning: str, ending: str) -> bool:
        return MessageParser(
            reasoning=reasoning, tool_calls="none", markers=QWEN, ending=ending
        ).thinking

    assert is_thinking("qwen3", "<|im_start|>assistant\n<think>\n")
    assert not is_thinking("qwen3", "<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert not is_thinking("qwen3", "<|im_start|>assistant\n")
    assert is_thinking("harmony", "<|start|>assistant<|channel|>analysis<|message|>")
    assert not is_thinking("none", "<think>\n")


@pytest.mark.parametrize(
    "calls",
    [
        "hermes",
        "qwen3_next",
        "glm4_moe",
        "minimax_m2",
        "kimi_k2",
        "deepseek_v3",
        "llama3_json",
        "mistral",
        "gemma",
        "harmony",
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        "<" * 150_000,
        "<tool_call>" * 15_000,
        "<think></think>" * 10_000,
        '<tool_call>{"name": "now", "arguments": {}}' * 4_000,
        '{"name": "now", "parameters": {"a": "' + "\\n<" * 50_000,
        "[TOOL_CALLS]now[ARGS]" + '{"a":' * 30_000,
        "<|channel|>commentary to=functions.now<|message|>" * 3_000,
        "\n" * 150_000,
    ],
    ids=["brackets", "openings", "thoughts", "calls", "string", "nesting", "headers", "blanks"],
)
def test_hostile_output_takes_time_as_it_is_long(calls: str, text: str) -> None:
    markers = ("<tool_call>",)
    parser = MessageParser(reasoning="qwen3", tool_calls=calls, markers=markers, ending="")
    for at in range(0, len(text), 22_000):
        piece = text[at : at + 22_000]
        parser.push(piece, spans(piece, markers))
    parser.finish()
