"""Greedy answers as mlx-lm gives them: what a step of our own is compared with."""

from typing import Any

from mlx_lm.generate import BatchGenerator


def prompt_tokens(tokenizer: Any, messages: Any, **kwargs: Any) -> list[int]:
    """Return the conversation's token ids; `kwargs` go to the template."""
    text = tokenizer._tokenizer.apply_chat_template(
        list(messages), add_generation_prompt=True, tokenize=False, **kwargs
    )
    tokens: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return tokens


def generate(model: Any, tokenizer: Any, prompts: list[list[int]], *, max_tokens: int) -> list[str]:
    """Return the greedy answers of one batch, without their end tokens."""
    generator = BatchGenerator(
        model,
        max_tokens=max_tokens,
        stop_tokens=[[token] for token in tokenizer.eos_token_ids],
        completion_batch_size=64,
    )
    answers: dict[int, list[int]] = {uid: [] for uid in generator.insert(prompts)}
    unfinished = set(answers)
    while unfinished:
        for response in generator.next()[1]:
            if response.finish_reason != "stop":
                answers[response.uid].append(response.token)
            if response.finish_reason is not None:
                unfinished.discard(response.uid)
    generator.close()
    return [tokenizer.decode(tokens) for tokens in answers.values()]
