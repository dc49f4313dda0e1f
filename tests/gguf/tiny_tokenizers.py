"""Tiny tokenizers, trained by the libraries that train real ones, and as GGUF has them."""

import io
import json
from functools import cache
from typing import Any, Final

import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from tests.models import TRANSCRIPTS

SPECIAL: Final = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
VISIBLE: Final = "<note>"
TEMPLATE: Final = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
)
AWKWARD: Final = (
    "",
    " ",
    "The capital of France is Paris.",
    "  two  spaces   and\ttabs\t\t",
    "In 2024, 1234567 boats  left;\n\n  one came back.\r\n",
    "\n\n\n",
    "don't WE'LL They'Re I'd",
    "na\u00efve nai\u0308ve \u4f60\u597d\uff0c\u4e16\u754c",
    "\u3053\u3093\u306b\u3061\u306f \uc548\ub155",
    "\U0001f469\u200d\U0001f469\u200d\U0001f466 \U0001f1ef\U0001f1f5 \u2713 \u00bd \u0663\u0664",
    "camelCaseAndHTTPServer snake_case x=[1,2]; // path/to/file",
    "\u0645\u0631\u062d\u0628\u0627 \u0441\u043b\u043e\u0432\u043e \u03b1\u03b2\u03b3",
    "zero\u200bwidth\u00a0nbsp\u3000wide",
)
_OWN: Final = ("\n", "\n\n", "\u2581\u2581", "\u2581\u2581\u2581", VISIBLE)
"""Tokens that Gemma's tokenizer has without learning them, and Llama's has not."""


def corpus() -> list[str]:
    """Return the texts that tokenizers are trained on."""
    return [transcript.answer for transcript in TRANSCRIPTS] + list(AWKWARD[2:])


def trained(pre_tokenizer: Any, *, normalizer: Any = None, ignore_merges: bool = False) -> Any:
    """Return a byte-level BPE tokenizer that splits words as told."""
    made = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    made.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        made.normalizer = normalizer
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[AddedToken(token, special=True) for token in SPECIAL],
        show_progress=False,
    )
    made.train_from_iterator(corpus(), trainer)
    made.add_tokens([AddedToken(VISIBLE, normalized=False)])
    return made


@cache
def tokenizer() -> Any:
    """Return one that splits as SmolLM's does."""
    return trained(
        pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
        )
    )


def byte_level_metadata(made: Any = None, *, pre: str = "smollm") -> dict[str, Any]:
    """Return what a file says of a byte-level tokenizer."""
    made = tokenizer() if made is None else made
    ids: dict[str, int] = made.get_vocab()
    tokens = sorted(ids, key=ids.__getitem__)
    merges = json.loads(made.to_str())["model"]["merges"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [
            3 if token in SPECIAL else 4 if token == VISIBLE else 1 for token in tokens
        ],
        "tokenizer.ggml.merges": [" ".join(pair) for pair in merges],
        "tokenizer.ggml.bos_token_id": tokens.index("<|im_start|>"),
        "tokenizer.ggml.eos_token_id": tokens.index("<|im_end|>"),
        "tokenizer.ggml.eot_token_id": tokens.index("<|endoftext|>"),
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": TEMPLATE,
    }


@cache
def sentencepiece_model(*, begins_with_space: bool) -> Any:
    """Return a BPE model with byte fallback, trained by SentencePiece.

    Args:
        begins_with_space: whether it is as Llama's, which puts a space before a text, or as
            Gemma's.
    """
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for text in corpus() for line in text.splitlines() if line),
        model_writer=model,
        model_type="bpe",
        vocab_size=560,
        byte_fallback=True,
        character_coverage=0.98,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=begins_with_space,
        allow_whitespace_only_pieces=True,
        control_symbols=["<start_of_turn>", "<end_of_turn>"],
        user_defined_symbols=[] if begins_with_space else list(_OWN),
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def sentencepiece_metadata(model: Any, *, begins_with_space: bool) -> dict[str, Any]:
    """Return what a file says of such a tokenizer."""
    ids = range(model.get_piece_size())
    types = [
        2 if model.is_unknown(at) else 3 if model.is_control(at) else 6 if model.is_byte(at) else 1
        for at in ids
    ]
    tokens = [model.id_to_piece(at) for at in ids]
    for at, token in enumerate(tokens):
        if token in _OWN and not begins_with_space:
            # Such tokens are written as they are in a text.
            types[at] = 4
            tokens[at] = token.replace("\u2581", " ")
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [float(model.get_score(at)) for at in ids],
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.bos_token_id": model.bos_id(),
        "tokenizer.ggml.eos_token_id": model.eos_id(),
        "tokenizer.ggml.unknown_token_id": model.unk_id(),
        "tokenizer.ggml.add_space_prefix": begins_with_space,
        "tokenizer.chat_template": TEMPLATE,
    }
