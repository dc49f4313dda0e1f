"""Byte-level BPE as GGUF keeps it, in Hugging Face's form."""

from typing import Any

from tokenizers import Tokenizer, decoders, models

from bodega.backends.lm.gguf.splits import SPLITS, Split
from bodega.backends.lm.gguf.vocabulary import Vocabulary
from bodega.errors import InvalidModel, UnsupportedModel


def split_of(vocabulary: Vocabulary) -> Split:
    """Return how the tokenizer splits words.

    Raises:
        UnsupportedModel: it is not known.
    """
    name = vocabulary.metadata.text("tokenizer.ggml.pre", "")
    if name not in SPLITS:
        raise UnsupportedModel(
            f"The GGUF file's tokenizer splits words as {name!r} does; known are "
            f"{', '.join(SPLITS)}."
        )
    return SPLITS[name]


def byte_level_tokenizer(vocabulary: Vocabulary) -> Any:
    """Return the tokenizer, without its marked tokens.

    Raises:
        InvalidModel: its parts are missing or contradict each other.
        UnsupportedModel: it splits words in a way that is not known.
    """
    split = split_of(vocabulary)
    ids = {token: at for at, token in enumerate(vocabulary.tokens)}
    merges = []
    for text in vocabulary.metadata.texts("tokenizer.ggml.merges"):
        left, _, right = text.partition(" ")
        if not {left, right, left + right} <= ids.keys():
            raise InvalidModel("The GGUF file's tokenizer merges tokens that it does not have.")
        merges.append((left, right))
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=merges, ignore_merges=split.whole_words))
    if (normalizer := split.normalizer()) is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = split.pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
