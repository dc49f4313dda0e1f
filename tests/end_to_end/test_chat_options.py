"""What a chat may be asked for beside its text: thinking, choices, probabilities, biases."""

import math
from typing import Any

import pytest

from tests.end_to_end.both_ways import ask, refused
from tests.end_to_end.server import Json, Server
from tests.models import CHOICES, TRANSCRIPTS

BY_NAME = {one.name: one for one in TRANSCRIPTS}
HELLO = list(BY_NAME["hello"].messages)
THINK, QUIET = BY_NAME["think"], BY_NAME["do_not_think"]


def test_thinking_is_told_apart_and_counted(server: Server) -> None:
    told = ask(server, messages=list(THINK.messages))
    assert told["choices"][0]["message"] == {
        "role": "assistant",
        "content": THINK.content,
        "reasoning_content": THINK.thinking,
    }
    usage = told["usage"]
    thinking = usage["completion_tokens_details"]["reasoning_tokens"]
    assert 0 < thinking < usage["completion_tokens"]
    told = ask(server, messages=HELLO)
    assert told["usage"]["completion_tokens_details"] == {"reasoning_tokens": 0}


def test_no_effort_is_no_thinking(server: Server) -> None:
    told = ask(server, messages=list(QUIET.messages), reasoning_effort="none")
    assert told["choices"][0]["message"] == {"role": "assistant", "content": QUIET.answer}


def test_a_thinking_budget_ends_thinking(server: Server) -> None:
    told = ask(server, messages=list(THINK.messages), thinking_budget_tokens=5, max_tokens=60)
    message = told["choices"][0]["message"]
    assert len(message["reasoning_content"]) < len(THINK.thinking)
    assert THINK.thinking.startswith(message["reasoning_content"].strip()[:8])
    usage = told["usage"]["completion_tokens_details"]
    assert usage["reasoning_tokens"] <= 5 + 4


def test_an_answer_goes_on_with_the_last_message(server: Server) -> None:
    story = BY_NAME["story"]
    begun = story.answer[:40]
    messages = [*story.messages, {"role": "assistant", "content": begun}]
    told = ask(server, messages=messages, continue_final_message=True)
    assert begun + told["choices"][0]["message"]["content"] == story.answer


def test_choices_differ_by_seed_and_are_the_same_again(server: Server) -> None:
    fields: Json = {"messages": list(CHOICES[0].messages), "temperature": 1, "n": 8, "seed": 3}
    texts = [choice["message"]["content"] for choice in ask(server, **fields)["choices"]]
    assert len(set(texts)) > 2
    alone = ask(server, **{**fields, "n": 1})["choices"][0]["message"]["content"]
    assert alone == texts[0]


def test_every_token_tells_its_probability(server: Server) -> None:
    (choice,) = ask(server, messages=HELLO, logprobs=True, top_logprobs=2)["choices"]
    told = choice["logprobs"]["content"]
    text = b"".join(bytes(one["bytes"]) for one in told).decode()
    assert text.startswith(choice["message"]["content"])
    for one in told:
        assert one["top_logprobs"][0]["token"] == one["token"]
        assert math.isclose(one["top_logprobs"][0]["logprob"], one["logprob"], abs_tol=1e-5)
        assert len(one["top_logprobs"]) == 2


def test_a_bias_keeps_a_token_out_and_forces_one(server: Server) -> None:
    client: Any = server.openai()
    answer = client.completions.create(model="current", prompt="x", max_tokens=1, logprobs=1)
    assert answer.choices[0].logprobs.tokens
    plain = ask(server, messages=HELLO, max_tokens=1)["choices"][0]["message"]["content"]
    forced = {str(at): 100 for at in range(65, 66)}
    biased = ask(server, messages=HELLO, max_tokens=1, logit_bias=forced)
    assert biased["choices"][0]["message"]["content"] != plain


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"n": 9}, "n"),
        ({"logit_bias": {"x": 1}}, "logit_bias.x"),
        ({"logit_bias": {"1000000": 1}}, "logit_bias.1000000"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"continue_final_message": True}, "continue_final_message"),
        ({"metadata": {"x": "y" * 513}}, "metadata"),
        ({"reasoning_effort": "maximal"}, "reasoning_effort"),
    ],
)
def test_what_cannot_be_honoured_is_refused_both_ways(
    server: Server, fields: Json, param: str
) -> None:
    assert refused(server, messages=HELLO, **fields)["param"] == param
