"""Text to tokens and back.

Two things that a tokenizer does not do by itself:

- What a user writes never becomes a control token. In a rendered conversation
  the template's control tokens get private spellings, which the tokenizer
  knows; the same characters in a user's text keep theirs, which it does not.
- An answer is decoded by a table of bytes, one entry a token, so that a token
  costs one look-up and characters may span tokens.
"""

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from tokenizers import Tokenizer

from bodega.backends.base import Message, TextDecoding
from bodega.backends.lm.template import ChatTemplate, map_strings
from bodega.errors import UnsupportedModel


class ChatTokenizer:
    """Turns conversations into the tokens of one model. Used from any thread.

    Control tokens are the tokenizer's special ones and those the template writes, such as
    <think>. Other added tokens are vocabulary, whoever writes them.
    """

    def __init__(self, definition: Mapping[str, Any], template: ChatTemplate) -> None:
        """Build one.

        Args:
            definition: the content of a tokenizer.json.
            template: the model's chat template.
        """
        self._template = template
        added = definition.get("added_tokens", [])
        special = {token["content"] for token in added if token["special"]}
        written = {token["content"] for token in added if token["content"] in template.source}
        control = {text for text in special | written if text.strip()}
        nonce = secrets.token_hex(8)
        self._private = {
            token["content"]: f"\ue000{nonce}{token['id']:x}\ue001"
            for token in added
            if token["content"] in control
        }
        self._tokenizer = Tokenizer.from_str(json.dumps(_respelled(definition, self._private)))
        self._ids = {
            ours: token["id"]
            for token in added
            if (ours := self._id_of(self._private.get(token["content"], token["content"])))
            != token["id"]
        }
        self._control = _any_of(control)
        self._special = _any_of(special & control)

    def encode_chat(self, messages: Sequence[Message], arguments: Mapping[str, Any]) -> list[int]:
        """Return the tokens of a conversation up to where the model goes on.

        Raises:
            ChatTemplateError, InvalidRequest: as `ChatTemplate.render`.
        """
        mark = self._mark(messages, arguments)
        if mark is not None:
            messages = [self._guarded(message, mark) for message in messages]
            arguments = map_strings(arguments, _apart(self._control, mark))
        text = self._template.render(messages, arguments)
        if self._control is not None:
            text = self._control.sub(lambda found: self._private[found.group()], text)
        if mark is not None:
            text = text.replace(mark, "")
        # The batch's form lets the interpreter go meanwhile: a long text takes seconds.
        ids = self._tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids
        return [self._ids.get(token, token) for token in ids] if self._ids else ids

    def _id_of(self, spelling: str) -> int | None:
        token: int | None = self._tokenizer.token_to_id(spelling)
        return token

    def _mark(self, messages: Sequence[Message], arguments: Mapping[str, Any]) -> str | None:
        """Return a character to break control tokens with, or None where there are none."""
        if self._control is None:
            return None
        written = json.dumps([messages, arguments], ensure_ascii=False)
        if self._control.search(written.replace('\\"', '"')) is None:
            return None
        return next(char for code in range(0xE010, 0xF8FF) if (char := chr(code)) not in written)

    def _guarded(self, message: Message, mark: str) -> Message:
        # What the model itself said may hold its markers, such as </think>, which its template
        # looks for; only the special ones would forge a turn.
        pattern = self._special if message["role"] == "assistant" else self._control
        return {**map_strings(message, _apart(pattern, mark)), "role": message["role"]}


def text_decoding(definition: Mapping[str, Any], vocabulary_size: int) -> TextDecoding:
    """Return how the tokens of a tokenizer become text.

    Special tokens add nothing to a text; other added tokens add themselves.

    Args:
        definition: the content of a tokenizer.json.
        vocabulary_size: how many logits the model has; ids that the tokenizer lacks add nothing.

    Raises:
        UnsupportedModel: the tokenizer decodes in a way that is not known here.
    """
    tokenizer = Tokenizer.from_str(json.dumps(definition))
    to_bytes = piece_decoder(definition)
    table = [b""] * vocabulary_size
    for piece, token in tokenizer.get_vocab(with_added_tokens=False).items():
        if token < vocabulary_size:
            table[token] = to_bytes(piece)
    for added in definition.get("added_tokens", []):
        if added["id"] < vocabulary_size:
            table[added["id"]] = b"" if added["special"] else added["content"].encode()
    return TextDecoding(
        token_bytes=table,
        drops_first_space=any(map(_drops_first_space, _decoders(definition))),
    )


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


def _respelled(definition: Mapping[str, Any], private: Mapping[str, str]) -> dict[str, Any]:
    """Return the definition with its control tokens spelt privately, also in the vocabulary."""
    added = [
        {**token, "content": private[token["content"]], "normalized": False}
        if token["content"] in private
        else token
        for token in definition.get("added_tokens", [])
    ]
    model = dict(definition["model"])
    vocabulary = model.get("vocab")
    if isinstance(vocabulary, Mapping):
        model["vocab"] = {private.get(piece, piece): at for piece, at in vocabulary.items()}
    elif isinstance(vocabulary, list):
        model["vocab"] = [[private.get(piece, piece), score] for piece, score in vocabulary]
    if model.get("unk_token") in private:
        model["unk_token"] = private[model["unk_token"]]
    # Post-processors only add tokens around a text, which the template does itself.
    return {**definition, "added_tokens": added, "model": model, "post_processor": None}


def _any_of(texts: Set[str]) -> re.Pattern[str] | None:
    if not texts:
        return None
    return re.compile("|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True)))


def _apart(pattern: re.Pattern[str] | None, mark: str) -> Callable[[str], str]:
    def apart(text: str) -> str:
        if pattern is None:
            return text
        return pattern.sub(lambda found: found.group()[0] + mark + found.group()[1:], text)

    return apart


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
