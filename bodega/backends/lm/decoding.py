"""A model's tokens to text: a table of bytes, one entry a token.

So a token costs one look-up, and characters may span tokens.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from tokenizers import Tokenizer

from bodega.backends.base import TextDecoding
from bodega.errors import UnsupportedModel

_TAG: Final = re.compile(r"<[^<>\s]+>|\[/?[A-Z_]+\]")
"""What an added token looks like that is a tag, whether or not its tokenizer calls it special."""


def text_decoding(
    definition: Mapping[str, Any], vocabulary_size: int, *, template: str = ""
) -> TextDecoding:
    """Return how the tokens of a tokenizer become text.

    Args:
        definition: the content of a tokenizer.json.
        vocabulary_size: how many logits the model has; ids that the tokenizer lacks add nothing.
        template: the model's chat template; the added tokens that it writes are markers.

    Raises:
        UnsupportedModel: the tokenizer decodes in a way that is not known here.
    """
    tokenizer = Tokenizer.from_str(json.dumps(definition))
    to_bytes = piece_decoder(definition)
    table = [b""] * vocabulary_size
    for piece, token in tokenizer.get_vocab(with_added_tokens=False).items():
        if token < vocabulary_size:
            table[token] = to_bytes(piece)
    markers = set()
    for added in definition.get("added_tokens", []):
        if added["id"] < vocabulary_size:
            table[added["id"]] = added["content"].encode()
            if is_marker(added, template):
                markers.add(added["id"])
    return TextDecoding(
        token_bytes=table,
        markers=frozenset(markers),
        drops_first_space=any(map(_drops_first_space, _decoders(definition))),
    )


def is_marker(added: Mapping[str, Any], template: str) -> bool:
    """Whether an added token stands for itself, and not for a piece of text.

    Those are the special ones, those that look like tags, and those that the template writes.
    """
    text: str = added["content"]
    return bool(added["special"] or _TAG.fullmatch(text) or (text.strip() and text in template))


def piece_decoder(definition: Mapping[str, Any]) -> Callable[[str], bytes]:
    """Return what makes bytes of a tokenizer's pieces.

    Raises:
        UnsupportedModel: the tokenizer decodes in a way that is not known here.
    """
    kinds = {decoder["type"] for decoder in _decoders(definition)}
    if "ByteLevel" in kinds:
        return _byte_level
    if kinds & {"Metaspace", "ByteFallback", "Replace"}:
        return _sentencepiece
    if not kinds:
        return str.encode
    raise UnsupportedModel(
        f"The model's tokenizer decodes by {', '.join(sorted(kinds))}, which is not known here. "
        "Known are byte-level and SentencePiece tokenizers."
    )


def _decoders(definition: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    decoder = definition.get("decoder") or {}
    return list(decoder.get("decoders", [decoder] if decoder else []))


def _drops_first_space(decoder: Mapping[str, Any]) -> bool:
    if decoder["type"] == "Metaspace":
        # Files from before prepend_scheme was written mean "always".
        return bool(decoder.get("prepend_scheme", "always") != "never")
    return bool(decoder["type"] == "Strip" and decoder.get("start", 0) > 0)


def _sentencepiece(piece: str) -> bytes:
    if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
        return bytes([int(piece[3:5], 16)])
    return piece.replace("\u2581", " ").encode()


def _byte_level(piece: str) -> bytes:
    if all(char in _BYTE_OF for char in piece):
        return bytes(_BYTE_OF[char] for char in piece)
    return piece.encode()


def _byte_alphabet() -> dict[str, int]:
    """Return GPT-2's alphabet: printable Latin-1 stands for itself, the rest for U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    alphabet = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(256) if byte not in set(printable)]
    alphabet.update({chr(0x100 + at): byte for at, byte in enumerate(others)})
    return alphabet


_BYTE_OF = _byte_alphabet()
