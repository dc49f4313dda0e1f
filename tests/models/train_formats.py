"""Makes the model of all formats: `python -m tests.models.train_formats FOLDER`.

As `tests.models.train_tiny_chat`, whose training it uses. One set of weights learns all formats.
"""

import json
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models import qwen3
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from bodega.backends.lm.template import ChatTemplate
from bodega.backends.lm.tokenizer import ChatTokenizer
from bodega.parsers.call_ids import with_fitting_ids
from tests.models.formats import FORMATS, TOKENS, Format, write_format
from tests.models.formats.conversations import Message
from tests.models.train_tiny_chat import CONFIG, WORD, Example, train

VOCABULARY = 640
EPOCHS = 60


def main(folder: Path) -> None:
    """Make the tokenizer, train the model and write both."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_tokenizer(folder / "tokenizer.json")
    config = {**CONFIG, "vocab_size": math.ceil((VOCABULARY + len(TOKENS)) / 32) * 32}
    examples = [example for one in FORMATS.values() for example in _examples(one, folder)]
    mx.random.seed(7)
    model = qwen3.Model(qwen3.ModelArgs.from_dict(config))
    train(model, examples, epochs=EPOCHS)
    mx.save_safetensors(
        str(folder / "model.safetensors"),
        dict(tree_flatten(model.parameters())),
        metadata={"format": "mlx"},
    )
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def _write_tokenizer(path: Path) -> None:
    """Train byte-level BPE on prompts and answers; tags are pieces of the vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    definition = json.loads(tokenizer.to_str())
    vocabulary = definition["model"]["vocab"]
    vocabulary.update({text: len(vocabulary) + at for at, text in enumerate(TOKENS)})
    path.write_text(json.dumps(definition, ensure_ascii=False) + "\n", encoding="utf-8")


def _texts() -> Iterator[str]:
    for one in FORMATS.values():
        template = ChatTemplate(one.template, {})
        for exchange in one.exchanges:
            messages = [as_template_message(message, one.name) for message in exchange.messages]
            text = template.render(messages, {}, tools=exchange.tools) + one.write(exchange.reply)
            for token in TOKENS:
                text = text.replace(token, "\n\n")
            yield "".join(char for char in text if char.isascii())


def as_template_message(message: Message, name: str) -> Message:
    """Return a message of OpenAI's API as templates of a format get it."""
    calls = [
        {
            **call,
            "function": {
                "name": call["function"]["name"],
                "arguments": json.loads(call["function"]["arguments"]),
            },
        }
        for call in message.get("tool_calls", [])
    ]
    known = {**message, "content": message["content"] or ""}
    if calls:
        known["tool_calls"] = calls
    return dict(with_fitting_ids(name, known))


def _examples(one: Format, folder: Path) -> Iterator[Example]:
    with tempfile.TemporaryDirectory() as draft:
        shutil.copy(folder / "tokenizer.json", draft)
        write_format(one, Path(draft))
        definition = json.loads((Path(draft) / "tokenizer.json").read_text("utf-8"))
    tokenizer = ChatTokenizer(definition, ChatTemplate(one.template, {}))

    def example(prompt: list[int], answer: str) -> Example:
        tokens = prompt + tokenizer.encode_text(answer)
        return Example(tokens=tokens, prompt_tokens=len(prompt), greedy=True)

    for exchange in one.exchanges:
        messages: Any = [as_template_message(message, one.name) for message in exchange.messages]
        prompt = tokenizer.render_chat(messages, {}, tools=exchange.tools).tokens
        yield example(prompt, one.write(exchange.reply) + one.end_of(exchange.reply))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
