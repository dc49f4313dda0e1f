"""A GGUF file's tokenizer in the form of Hugging Face's tokenizer files."""

import json
from typing import Any, Final

from tokenizers import AddedToken, processors

from bodega.backends.lm.gguf.byte_level import byte_level_tokenizer, split_of
from bodega.backends.lm.gguf.metadata import Metadata
from bodega.backends.lm.gguf.sentencepiece import sentencepiece_tokenizer
from bodega.backends.lm.gguf.vocabulary import Vocabulary
from bodega.errors import BodegaError, InvalidModel, UnsupportedModel

_BYTE_LEVEL: Final = "gpt2"
_SENTENCEPIECE: Final = "llama"
_USUAL_IDS: Final = {"unknown": 0, "bos": 1, "eos": 2}
"""The ids that SentencePiece gives its tokens."""

_PHI3_PLAIN: Final = ("<unk>", "<s>", "<|endoftext|>")
"""The marked tokens of Phi 3 that leave spaces after them as they are."""

_NAMES: Final = {
    "bos_token": "bos",
    "eos_token": "eos",
    "unk_token": "unknown",
    "pad_token": "padding",
}


def read_vocabulary(metadata: Metadata) -> Vocabulary:
    """Return the tokens of a file.

    Raises:
        InvalidModel: its parts are missing or contradict each other.
        UnsupportedModel: the tokenizer is of a kind that is not known.
    """
    model = metadata.text("tokenizer.ggml.model")
    if model not in (_BYTE_LEVEL, _SENTENCEPIECE):
        raise UnsupportedModel(
            f"The GGUF file's tokenizer is of the kind {model!r}; known are {_BYTE_LEVEL} "
            f"(byte-level BPE) and {_SENTENCEPIECE} (SentencePiece's BPE)."
        )
    return Vocabulary.of(metadata, usual=_USUAL_IDS if model == _SENTENCEPIECE else {})


def tokenizer_definition(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the content of tokenizer.json.

    Raises:
        InvalidModel: its parts are missing or contradict each other.
        UnsupportedModel: it is of a kind that is not known.
    """
    try:
        definition: dict[str, Any] = json.loads(_tokenizer(vocabulary).to_str())
    except BodegaError:
        raise
    except Exception as error:  # boundary: tokenizers raises bare exceptions
        raise InvalidModel("The GGUF file's tokenizer does not make sense.") from error
    return definition


def tokenizer_config(vocabulary: Vocabulary, *, context_length: int) -> dict[str, Any]:
    """Return the content of tokenizer_config.json: the named tokens and the chat template."""
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        "clean_up_tokenization_spaces": False,
        "add_bos_token": _adds_bos(vocabulary),
        "add_eos_token": vocabulary.flag("add_eos_token", False),
    }
    for name, ours in _NAMES.items():
        if (token := vocabulary.token(ours)) is not None:
            config[name] = token
    if template := vocabulary.metadata.text("tokenizer.chat_template", ""):
        config["chat_template"] = template
    return config


def _tokenizer(vocabulary: Vocabulary) -> Any:
    if _is_sentencepiece(vocabulary):
        tokenizer = sentencepiece_tokenizer(vocabulary)
    else:
        tokenizer = byte_level_tokenizer(vocabulary)
    tokenizer.add_tokens(
        [
            AddedToken(
                token,
                special=special,
                normalized=False,
                rstrip=_takes_spaces_after(vocabulary, token),
            )
            for token, special in vocabulary.marked()
        ]
    )
    _add_ends(tokenizer, vocabulary)
    return tokenizer


def _takes_spaces_after(vocabulary: Vocabulary, token: str) -> bool:
    # The tokenizer of Phi 3, of which files do not tell this.
    is_phi3 = vocabulary.metadata.text("general.architecture", "") == "phi3"
    return is_phi3 and _is_sentencepiece(vocabulary) and token not in _PHI3_PLAIN


def _is_sentencepiece(vocabulary: Vocabulary) -> bool:
    return vocabulary.metadata.text("tokenizer.ggml.model") == _SENTENCEPIECE


def _adds_bos(vocabulary: Vocabulary) -> bool:
    usual = _is_sentencepiece(vocabulary) or split_of(vocabulary).adds_bos
    # A file may leave it at what is usual for tokenizers of its kind and yet have no such token.
    return vocabulary.flag("add_bos_token", usual and "bos" in vocabulary.named)


def _add_ends(tokenizer: Any, vocabulary: Vocabulary) -> None:
    """Let a text begin, and end, with the tokens that the file wants there."""
    before = _end(vocabulary, "bos") if _adds_bos(vocabulary) else []
    after = _end(vocabulary, "eos") if vocabulary.flag("add_eos_token", False) else []
    if before or after:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=[*before, "$A", *after],
            pair=[*before, "$A", "$B", *after],
            special_tokens=[(token, vocabulary.tokens.index(token)) for token in before + after],
        )


def _end(vocabulary: Vocabulary, name: str) -> list[str]:
    token = vocabulary.token(name)
    if token is None:
        raise InvalidModel(f"The GGUF file's tokenizer adds a token {name!r} but names none.")
    return [token]
