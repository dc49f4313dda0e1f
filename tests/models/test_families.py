"""The random models are what batching tests need: varied, endless, and the same in any batch."""

import pytest
from mlx_lm import load

from tests.models import FAMILIES, TRANSCRIPTS, family_model
from tests.models.oracle import generate, prompt_tokens


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_answers_are_the_same_alone_and_together_and_never_end(family: str) -> None:
    model, tokenizer, *_ = load(str(family_model(family)))
    prompts = [prompt_tokens(tokenizer, t.template_messages) for t in TRANSCRIPTS[:4]]
    together = generate(model, tokenizer, prompts, max_tokens=40)
    alone = [generate(model, tokenizer, [prompt], max_tokens=40)[0] for prompt in prompts]
    assert together == alone
    assert len(set(together)) == len(together)
    for answer in together:
        assert answer.isprintable()
        assert len(tokenizer.encode(answer, add_special_tokens=False)) >= 30


def test_a_model_is_made_once() -> None:
    first = family_model("qwen3_moe")
    made = (first / "model.safetensors").stat().st_mtime_ns
    assert family_model("qwen3_moe") == first
    assert (first / "model.safetensors").stat().st_mtime_ns == made
