"""The trained model keeps what tests rely on: exact answers, by a margin that no batch can turn."""

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx_lm import load

from tests.models import CHOICES, ENDLESS, ENDLESS_UNIT, TINY_CHAT, TRANSCRIPTS, Transcript
from tests.models.oracle import generate, prompt_tokens

LEAST_MARGIN = 4.0


@pytest.fixture(scope="module")
def tiny_chat() -> tuple[Any, Any]:
    """Return the model and its tokenizer."""
    model, tokenizer, *_ = load(str(TINY_CHAT))
    return model, tokenizer


def _by_name(name: str) -> Transcript:
    return next(transcript for transcript in TRANSCRIPTS if transcript.name == name)


def test_a_greedy_batch_reproduces_every_transcript(tiny_chat: tuple[Any, Any]) -> None:
    model, tokenizer = tiny_chat
    prompts = [
        prompt_tokens(tokenizer, t.template_messages, **t.template_kwargs) for t in TRANSCRIPTS
    ]
    answers = generate(model, tokenizer, prompts, max_tokens=400)
    assert answers == [transcript.answer for transcript in TRANSCRIPTS]


def test_an_answer_without_thinking_is_the_same_when_thinking_is_off(
    tiny_chat: tuple[Any, Any],
) -> None:
    model, tokenizer = tiny_chat
    plain = [t for t in TRANSCRIPTS if "<think>" not in t.answer and t.enable_thinking is None]
    prompts = [
        prompt_tokens(tokenizer, t.template_messages, **t.template_kwargs, enable_thinking=False)
        for t in plain
    ]
    answers = generate(model, tokenizer, prompts, max_tokens=400)
    assert answers == [transcript.answer for transcript in plain]


def test_every_learned_token_wins_by_a_wide_margin(tiny_chat: tuple[Any, Any]) -> None:
    model, tokenizer = tiny_chat
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    for transcript in TRANSCRIPTS:
        prompt = prompt_tokens(
            tokenizer, transcript.template_messages, **transcript.template_kwargs
        )
        answer = [*tokenizer.encode(transcript.answer, add_special_tokens=False), end]
        logits = model(mx.array([prompt + answer[:-1]]))[0, len(prompt) - 1 :]
        best = mx.sort(logits, axis=-1)[:, -2:]
        assert mx.argmax(logits, axis=-1).tolist() == answer, transcript.name
        assert np.array(best[:, 1] - best[:, 0]).min() >= LEAST_MARGIN, transcript.name


def test_the_answers_of_a_choice_are_about_as_likely_as_each_other(
    tiny_chat: tuple[Any, Any],
) -> None:
    model, tokenizer = tiny_chat
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    for choice in CHOICES:
        prompt = prompt_tokens(tokenizer, choice.messages)
        for text in choice.answers:
            answer = [*tokenizer.encode(text, add_special_tokens=False), end]
            logits = model(mx.array([prompt + answer[:-1]]))[0, len(prompt) - 1 :]
            logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
            taken = mx.take_along_axis(logprobs, mx.array(answer)[:, None], axis=-1).sum()
            share = np.exp(taken) * len(choice.answers)
            assert 0.6 < share < 1.5, (choice.prompt, text, share)


def test_the_endless_answer_reaches_its_limit(tiny_chat: tuple[Any, Any]) -> None:
    model, tokenizer = tiny_chat
    (answer,) = generate(model, tokenizer, [prompt_tokens(tokenizer, ENDLESS)], max_tokens=1500)
    assert answer == ENDLESS_UNIT * 750


def test_a_stop_text_and_a_long_answer_take_several_tokens(tiny_chat: tuple[Any, Any]) -> None:
    _, tokenizer = tiny_chat
    assert "STOP HERE NOW" in _by_name("stop").answer
    assert len(tokenizer.encode("STOP HERE NOW", add_special_tokens=False)) >= 3
    assert len(tokenizer.encode(_by_name("story").answer, add_special_tokens=False)) >= 150


def test_characters_of_other_scripts_are_split_over_tokens(tiny_chat: tuple[Any, Any]) -> None:
    _, tokenizer = tiny_chat
    tokens = tokenizer.encode(_by_name("emoji").answer, add_special_tokens=False)
    assert any("\ufffd" in tokenizer.decode([token]) for token in tokens)
