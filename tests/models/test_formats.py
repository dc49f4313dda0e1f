"""The models of all formats keep what tests rely on: exact replies, in tags that are tokens."""

from functools import cache
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.utils import load_model

from bodega.backends.lm.files import inspect
from bodega.config import LoadParameters
from tests.models.formats import DATA, FORMATS, format_model
from tests.models.train_formats import as_template_message


@cache
def _model() -> Any:
    return load_model(DATA)[0]


@pytest.mark.parametrize("name", FORMATS)
def test_a_greedy_answer_is_the_reply_as_its_format_writes_it(name: str) -> None:
    one, folder = FORMATS[name], format_model(name)
    files = inspect(folder, LoadParameters(model_path=str(folder)))
    for exchange in one.exchanges:
        messages = [as_template_message(message, one.name) for message in exchange.messages]
        prompt = files.tokenizer.render_chat(messages, {}, tools=exchange.tools).tokens
        written = one.write(exchange.reply) + one.end_of(exchange.reply)
        answer = files.tokenizer.encode_text(written)
        logits = _model()(mx.array([prompt + answer[:-1]]))[0, len(prompt) - 1 :]
        assert mx.argmax(logits, axis=-1).tolist() == answer, exchange.name
        assert answer[-1] in files.stop_tokens
