"""The prompts that a load is made of."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from bench.errors import BenchError
from bench.model import readable_tokens, write_tokenizer
from bench.prompts import SHORT_TOKENS, SLACK_TOKENS, PromptMaker, check_lengths

MIN_TOKENS = SHORT_TOKENS - SLACK_TOKENS
MAX_TOKENS = SHORT_TOKENS + SLACK_TOKENS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return folder


def test_prompts_are_of_one_length_and_never_alike(folder: Path) -> None:
    maker = PromptMaker(folder, seed=1)
    prompts = [*maker.take(100), *maker.take(100)]
    assert len({prompt.text for prompt in prompts}) == 200
    assert all(MIN_TOKENS <= len(prompt.tokens) <= MAX_TOKENS for prompt in prompts)


@pytest.mark.parametrize("tokens", [1000, 2800])
def test_long_prompts_are_held_as_narrowly(folder: Path, tokens: int) -> None:
    [prompt, other] = PromptMaker(folder, seed=1).take(2, tokens=tokens)
    assert prompt.text != other.text
    assert all(abs(len(each.tokens) - tokens) <= SLACK_TOKENS for each in (prompt, other))


def test_the_tokens_of_a_prompt_are_the_rendered_chat(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    [prompt] = PromptMaker(folder, seed=1).take(1)
    rendered = tokenizer.decode(prompt.tokens, skip_special_tokens=False)
    assert rendered == f"<|im_start|>user\n{prompt.text}<|im_end|>\n<|im_start|>assistant\n"


def test_a_seed_makes_the_same_prompts_again(folder: Path) -> None:
    assert PromptMaker(folder, seed=1).take(5) == PromptMaker(folder, seed=1).take(5)


@pytest.mark.parametrize("tokens", [MIN_TOKENS - 1, MAX_TOKENS + 1])
def test_a_run_that_misses_the_length_is_refused(tokens: int) -> None:
    with pytest.raises(BenchError, match=f"{tokens} tokens"):
        check_lengths([MIN_TOKENS, tokens, MAX_TOKENS])


def test_tokens_that_would_end_or_hide_an_answer_are_not_readable(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    readable = readable_tokens(tokenizer)
    for text in ("<|im_end|>", "<|endoftext|>", "\n"):
        [token] = tokenizer.encode(text).ids
        assert not readable[token]
    [token] = tokenizer.encode(" the").ids
    assert readable[token]
