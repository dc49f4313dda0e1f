"""Plain completions: what classic clients ask for."""

from typing import Any

import pytest

from tests.end_to_end.both_ways import COMPLETIONS, ask, refused
from tests.end_to_end.server import Json, Server
from tests.models import TRANSCRIPTS

HELLO = next(one for one in TRANSCRIPTS if one.name == "hello")
PROMPT = f"<|im_start|>user\n{HELLO.messages[0]['content']}<|im_end|>\n<|im_start|>assistant\n"


def test_a_prompt_written_by_hand_is_gone_on_from(server: Server) -> None:
    told = ask(server, COMPLETIONS, prompt=PROMPT, max_tokens=50)
    assert told["object"] == "text_completion"
    (choice,) = told["choices"]
    assert choice == {
        "index": 0,
        "text": HELLO.answer,
        "logprobs": None,
        "finish_reason": "stop",
    }


def test_several_prompts_get_their_choices_in_order_and_may_come_back(server: Server) -> None:
    fields: Json = {"prompt": [PROMPT, "x"], "n": 2, "max_tokens": 3, "echo": True}
    choices = ask(server, COMPLETIONS, **fields)["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
    assert choices[0]["text"] == choices[1]["text"]
    assert choices[0]["text"].startswith(PROMPT)
    assert choices[2]["text"].startswith("x")


def test_the_classic_client_streams_and_reads_probabilities(server: Server) -> None:
    client: Any = server.openai().completions
    asked: Json = {"model": "current", "prompt": PROMPT, "temperature": 0, "logprobs": 2}
    whole = client.create(**asked).choices[0]
    pieces = list(client.create(**asked, stream=True))
    assert "".join(piece.choices[0].text for piece in pieces) == whole.text
    told = whole.logprobs
    assert len(told.tokens) == len(told.token_logprobs) == len(told.top_logprobs)
    text = whole.text
    for token, offset in zip(told.tokens, told.text_offset, strict=True):
        assert text[offset : offset + len(token)] in (token, "")


def test_token_ids_are_a_prompt_too(server: Server) -> None:
    (one,) = ask(server, COMPLETIONS, prompt=[5, 6, 7], max_tokens=2)["choices"]
    (same,) = ask(server, COMPLETIONS, prompt=[[5, 6, 7]], max_tokens=2)["choices"]
    assert one["text"] == same["text"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": "x", "suffix": "y"}, "suffix"),
        ({"prompt": "x", "response_format": {"type": "json_object"}}, "response_format"),
        ({"prompt": "x", "best_of": 3}, "best_of"),
        ({"prompt": ["x", 1]}, "prompt[1]"),
        ({"prompt": [1_000_000]}, "prompt[0]"),
        ({"prompt": "x" * 20_000}, "prompt"),
        ({"prompt": {}}, "prompt"),
        ({"prompt": "x", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "x", "echo": True, "logprobs": 1}, "logprobs"),
    ],
)
def test_what_cannot_be_honoured_is_refused_both_ways(
    server: Server, fields: Json, param: str
) -> None:
    assert refused(server, COMPLETIONS, **fields)["param"] == param
