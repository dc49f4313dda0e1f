"""SentencePiece's BPE as GGUF keeps it, with scores, in Hugging Face's form, with merges."""

from math import isfinite
from typing import Any, Final

from tokenizers import Tokenizer, decoders, models, normalizers

from bodega.backends.lm.gguf.vocabulary import Vocabulary
from bodega.errors import InvalidModel

_SPACE: Final = "\u2581"
_MAX_PIECE_CHARS: Final = 1_024
"""Longest token that text is made of; real ones have some tens of characters."""


def sentencepiece_tokenizer(vocabulary: Vocabulary) -> Any:
    """Return the tokenizer, without its marked tokens.

    Raises:
        InvalidModel: its parts are missing or contradict each other.
    """
    ids = {token: at for at, token in enumerate(vocabulary.tokens)}
    tokenizer = Tokenizer(
        models.BPE(
            vocab=ids,
            merges=_merges(vocabulary),
            unk_token=vocabulary.token("unknown"),
            fuse_unk=True,
            byte_fallback=all(f"<0x{byte:02X}>" in ids for byte in range(256)),
        )
    )
    to_pieces: list[Any] = [normalizers.Replace(" ", _SPACE)]
    to_text: list[Any] = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if begins_with_space(vocabulary):
        to_pieces.insert(0, normalizers.Prepend(_SPACE))
        to_text.append(decoders.Strip(" ", 1, 0))
    tokenizer.normalizer = normalizers.Sequence(to_pieces)
    tokenizer.decoder = decoders.Sequence(to_text)
    return tokenizer


def begins_with_space(vocabulary: Vocabulary) -> bool:
    """Return whether a space is put before a text."""
    return vocabulary.flag("add_space_prefix", True)


def _merges(vocabulary: Vocabulary) -> list[tuple[str, str]]:
    """Return which tokens are joined, the best first.

    SentencePiece joins those two neighbours that make up the token of the highest score.
    """
    scores = vocabulary.metadata.numbers("tokenizer.ggml.scores")
    if len(scores) != len(vocabulary.tokens) or not all(map(isfinite, scores)):
        raise InvalidModel("The GGUF file's tokenizer has not one score for each token.")
    pieces = vocabulary.pieces()
    if max(map(len, pieces), default=0) > _MAX_PIECE_CHARS:
        raise InvalidModel("The GGUF file's tokenizer has a token that is too long.")
    ranked: list[tuple[float, int, str, str]] = []
    for piece, at in pieces.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in pieces and right in pieces:
                ranked.append((-scores[at], at, left, right))
    # Of two ways to the same token the one with the older left part comes first.
    ranked.sort(key=lambda way: (way[0], way[1], pieces[way[2]]))
    return [(left, right) for _, _, left, right in ranked]
