"""What people see of an answer, and what a program reads."""

import pytest
from bodega_api.v1 import inference_pb2

from bodega.cli.shown_answer import ShownAnswer

DELTAS = [
    {"reasoning_content": "hm\x1b[2J"},
    {"content": "I will "},
    {"content": "look."},
    {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "f"}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"a": '}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
    {"tool_calls": [{"index": 1, "id": "call_2", "function": {"name": "g"}}]},
    {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
]


@pytest.mark.parametrize(
    ("in_terminal", "expected"),
    [
        (False, 'I will look.\n-> f {"a": 1}\n-> g {}'),
        (
            True,
            "\x1b[2mhm\ufffd[2J\x1b[0m\n\nI will look.\n"
            '\x1b[2m-> f \x1b[0m{"a": 1}\n\x1b[2m-> g \x1b[0m{}',
        ),
    ],
)
def test_thinking_and_calls_are_parted_from_the_text(
    capsys: pytest.CaptureFixture[str], in_terminal: bool, expected: str
) -> None:
    shown = ShownAnswer(in_terminal=in_terminal)
    for delta in DELTAS:
        shown.add(inference_pb2.ChatDelta(**delta))
    assert capsys.readouterr().out == expected
