"""It does not matter when an answer is read: what is told of it is the same."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodega.engine.request import Delta, Finish, TokenLogprobs
from bodega.engine.stream import AnswerStream
from bodega.parsers.message import MessageParser
from bodega.parsers.parts import CallOpened, Part
from bodega.services.chat_choice import ChatChoice, ChatFinish, joined
from tests.engine.scripted import MARKERS, tokens_of

ANSWER = (
    '<think>\nhm\n</think>\n\nSo:\n<tool_call>\n{"name": "look", "arguments": {"at": [1, "x"]}}\n'
    '</tool_call>\n<tool_call>\n{"name": "find", "arguments": {}}\n</tool_call>'
)


def deltas() -> list[Delta]:
    """Return the answer token by token."""
    told = []
    for token in tokens_of(ANSWER):
        text = MARKERS[token - 256] if token > 255 else chr(token)
        markers = ((0, len(text)),) if token > 255 else ()
        told.append(Delta(text, 1, None, markers, (TokenLogprobs(text.encode(), -1.0, ()),)))
    return [*told, Delta("", 1, Finish.STOP)]


def read(
    groups: list[list[Delta]], *, one_call: bool
) -> tuple[list[Part], str, ChatFinish | None, int, int]:
    """Return what is told of an answer whose tokens are read in groups."""
    stream = AnswerStream(cancel=lambda _: None)
    parser = MessageParser(
        reasoning="qwen3", tool_calls="qwen3", markers=frozenset(MARKERS), ending=""
    )
    choice = ChatChoice(0, stream, parser, one_call=one_call)
    parts: list[Part] = []
    tokens, finish = b"", None
    for group in groups:
        for delta in group:
            stream.push(delta)
        if finish is None and (piece := choice.advance()) is not None:
            parts += piece.parts
            tokens += b"".join([one.token for one in piece.logprobs])
            finish = piece.finish
    parts = [replace(part, id="") if isinstance(part, CallOpened) else part for part in parts]
    return list(joined(parts)), tokens.decode(), finish, choice.tokens, choice.reasoning_tokens


@pytest.mark.parametrize("one_call", [False, True])
@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(1, len(deltas()) - 1)))
def test_when_an_answer_is_read_changes_nothing_of_it(one_call: bool, cuts: set[int]) -> None:
    every = deltas()
    bounds = [0, *sorted(cuts), len(every)]
    groups = [every[at:to] for at, to in itertools.pairwise(bounds)]
    told = read(groups, one_call=one_call)
    assert told == read([[delta] for delta in every], one_call=one_call)
    assert told[2] is ChatFinish.TOOL_CALLS
    assert ANSWER.startswith(told[1])
    assert len([part for part in told[0] if isinstance(part, CallOpened)]) == (1 if one_call else 2)
