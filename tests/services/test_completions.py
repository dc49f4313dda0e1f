"""Completions over a scripted model, whole and piece by piece."""

import json
import threading
from typing import Any

import pytest
from bodega_api.v1 import inference_pb2

from bodega.engine.engine import Engine
from bodega.errors import ContextLengthExceeded, InvalidRequest
from bodega.gateway.encode import Encoder
from tests.engine.scripted import tokens_of
from tests.services.inference import Inference, Json, inference


def plain(message: Any) -> Json:
    """Return a message as HTTP has it."""
    request = inference_pb2.CreateCompletionRequest()
    value: Json = json.loads(Encoder(message.DESCRIPTOR).for_request(request)(message))
    return value


async def both(served: Inference, **members: Any) -> list[Json]:
    """Return the choices of a completion, which are the same whole and joined."""
    whole: list[Json] = plain(await served.completion(**members))["choices"]
    pieces = await served.completion_pieces(**members, stream_options={"include_usage": True})
    told: list[Json] = [{"text": "", "logprobs": None} for _ in whole]
    for piece in pieces[:-1]:
        (choice,) = plain(piece)["choices"]
        one = told[choice["index"]]
        assert one.get("finish_reason") is None, "nothing comes after the end"
        one |= {"index": choice["index"], "finish_reason": choice["finish_reason"]}
        one["text"] += choice["text"]
        if choice["logprobs"] is not None:
            one["logprobs"] = {
                name: (one["logprobs"] or {}).get(name, []) + new
                for name, new in choice["logprobs"].items()
            }
    assert told == whole
    assert not pieces[-1].choices
    return whole


def row_prompts(served: Inference) -> list[list[int]]:
    """Return what the model was given, in the order of requests."""
    return [list(row.prompt) for row in sorted(served.model.rows, key=lambda row: row.id)]


async def test_a_prompt_is_gone_on_from_for_sixteen_tokens(engine: Engine) -> None:
    async with inference(engine) as served:
        answer = await served.completion(prompt="Once <think>")
        choices = await both(served, prompt="Once <think>")
        assert row_prompts(served)[0] == [*b"Once ", 256]
        assert served.model.rows[0].sampling.temperature == 1.0
    assert answer.id.startswith("cmpl_")
    assert answer.object == "text_completion"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (6, 16)
    text = "abcdefghijklmnop"
    assert choices == [{"index": 0, "text": text, "logprobs": None, "finish_reason": "length"}]


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ([97, 98], [b"ab"]),
        (["ab", "c"], [b"ab", b"c"]),
        ([[97, 98], [99]], [b"ab", b"c"]),
    ],
)
async def test_each_prompt_gets_its_choices_in_order(
    engine: Engine, prompt: Any, prompts: list[bytes]
) -> None:
    async with inference(engine) as served:
        served.model.answer = tokens_of("!")
        choices = await both(served, prompt=prompt, n=2, echo=True)
        given = row_prompts(served)[: 2 * len(prompts)]
    assert [choice["index"] for choice in choices] == list(range(2 * len(prompts)))
    texts = [choice["text"] for choice in choices]
    assert texts == [f"{text.decode()}!" for text in prompts for _ in range(2)]
    assert given == [list(text) for text in prompts for _ in range(2)]


async def test_a_prompt_may_be_asked_back_without_an_answer(engine: Engine) -> None:
    async with inference(engine) as served:
        choices = await both(served, prompt=[97, 98], echo=True, max_tokens=0)
        answer = await served.completion(prompt=[97, 98], echo=True, max_tokens=0)
        assert served.model.rows == []
    expected = {"index": 0, "text": "ab", "logprobs": None, "finish_reason": "length"}
    assert choices == [expected]
    assert answer.usage.completion_tokens == 0


async def test_probabilities_are_told_in_the_classic_form(engine: Engine) -> None:
    async with inference(engine) as served:
        served.model.answer = [*"\u00e9".encode(), ord("x")]
        (choice,) = await both(served, prompt="a", logprobs=2)
        (bare,) = await both(served, prompt="a", logprobs=0)
    told = choice["logprobs"]
    assert choice["text"] == "\u00e9x"
    assert told["tokens"][:3] == ["\ufffd", "\ufffd", "x"]
    assert told["token_logprobs"][:3] == [-0.5, -0.5, -0.5]
    assert told["text_offset"][:3] == [0, 0, 1]
    assert told["top_logprobs"][2] == {"x": -0.5, "y": -1.5}
    assert bare["logprobs"]["top_logprobs"][2] == {"x": -0.5}


async def test_a_prompt_that_fills_the_context_is_refused(engine: Engine) -> None:
    async with inference(engine) as served:
        with pytest.raises(ContextLengthExceeded, match="The prompt takes 100000") as caught:
            await served.completion(prompt=["a", "a" * 100_000])
    assert caught.value.param == "prompt[1]"


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": ["a", ""]}, "prompt[1]"),
        ({"prompt": ["a", 5]}, "prompt[1]"),
        ({"prompt": [5, [5]]}, "prompt[1]"),
        ({"prompt": [5, -1]}, "prompt[1]"),
        ({"prompt": [[5], [5, 260]]}, "prompt[1][1]"),
        ({"prompt": ["a"] * 129}, "prompt"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "a", "max_tokens": -1}, "max_tokens"),
        ({"prompt": "a", "logprobs": 1, "echo": True}, "logprobs"),
        ({"prompt": "a", "logprobs": 21}, "logprobs"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "best_of": 2}, "best_of"),
        ({"prompt": "a", "n": 9}, "n"),
        ({"prompt": "a", "stop": [""]}, "stop"),
        ({"prompt": "a", "logit_bias": {"260": 1}}, "logit_bias.260"),
        ({"prompt": "a", "stream_options": {}}, "stream_options"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_with_its_field(
    engine: Engine, members: Json, param: str
) -> None:
    async with inference(engine) as served:
        with pytest.raises(InvalidRequest) as caught:
            await served.completion(**members)
    assert caught.value.param == param


@pytest.mark.parametrize(("prompts", "is_beside"), [(4, False), (100, True)])
async def test_prompts_that_are_long_together_are_tokenized_beside_the_event_loop(
    engine: Engine, prompts: int, is_beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()

    async with inference(engine, max_concurrency=100) as served:
        encode = served.model.encode_text

        def watched(text: str) -> list[int]:
            threads.add(threading.get_ident())
            return encode(text)

        monkeypatch.setattr(served.model, "encode_text", watched)
        answer = await served.completion(prompt=["x" * 200] * prompts, max_tokens=1)
    assert [choice.text for choice in answer.choices] == ["a"] * prompts
    assert (threads != {threading.get_ident()}) is is_beside
