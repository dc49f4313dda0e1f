"""The tokens of a GGUF file: what they are, and which of them have a name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bodega.backends.lm.gguf.metadata import Metadata
from bodega.errors import InvalidModel

_NORMAL: Final = 1
_UNKNOWN: Final = 2
_CONTROL: Final = 3
_USER_DEFINED: Final = 4

_ENDS: Final = (
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<end_of_turn>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
)
"""Tokens that end an answer wherever they are control tokens: many files do not name those by
which a turn ends, only those by which a text does."""
_HARMONY_ENDS: Final = ("<|return|>", "<|call|>")
"""The same of gpt-oss, whose <|end|> ends a part of an answer only."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens by id.

    Attributes:
        kinds: what each is, in the file's numbers.
        named: ids of the tokens that have a part to play: "bos", "eos" and so on.
        metadata: the rest of what the file says.
    """

    tokens: list[str]
    kinds: list[int]
    named: Mapping[str, int]
    metadata: Metadata

    @classmethod
    def of(cls, metadata: Metadata, *, usual: Mapping[str, int]) -> "Vocabulary":
        """Read it.

        Args:
            metadata: what the file says.
            usual: ids of the named tokens where the file tells none.

        Raises:
            InvalidModel: its parts are missing or contradict each other.
        """
        # Files pad their vocabulary with empty tokens, which must not be the same.
        tokens = [
            token or f"[EMPTY_{at}]"
            for at, token in enumerate(metadata.texts("tokenizer.ggml.tokens"))
        ]
        if len(set(tokens)) != len(tokens):
            raise InvalidModel("The GGUF file's tokenizer has a token twice.")
        kinds = metadata.integers("tokenizer.ggml.token_type")
        if len(kinds) != len(tokens):
            raise InvalidModel("The GGUF file's tokenizer has not one type for each token.")
        named = {
            name: token
            for name in ("bos", "eos", "eot", "eom", "unknown", "padding")
            if (token := _token_id(metadata, name, len(tokens), usual.get(name))) is not None
        }
        return cls(tokens, kinds, named, metadata)

    def flag(self, name: str, default: bool) -> bool:
        """Return a yes or no of the tokenizer."""
        return self.metadata.flag(f"tokenizer.ggml.{name}", default)

    def pieces(self) -> dict[str, int]:
        """Return the tokens that text is made of, and their ids."""
        return {
            token: at
            for at, (token, kind) in enumerate(zip(self.tokens, self.kinds, strict=True))
            if kind == _NORMAL
        }

    def marked(self) -> list[tuple[str, bool]]:
        """Return the tokens that are never split in a text, and whether they are control tokens."""
        return [
            (token, kind != _USER_DEFINED)
            for token, kind in zip(self.tokens, self.kinds, strict=True)
            if kind in (_UNKNOWN, _CONTROL, _USER_DEFINED)
        ]

    def token(self, name: str) -> str | None:
        """Return a named token."""
        return None if (at := self.named.get(name)) is None else self.tokens[at]

    def end_ids(self) -> list[int]:
        """Return the ids of the tokens that end an answer, the chief one first."""
        ids = [self.named[name] for name in ("eos", "eot", "eom") if name in self.named]
        marked = {token for token, _ in self.marked()}
        ends = _HARMONY_ENDS if set(_HARMONY_ENDS) <= marked else _ENDS
        ids += [at for at, token in enumerate(self.tokens) if token in ends and token in marked]
        return list(dict.fromkeys(ids))


def _token_id(metadata: Metadata, name: str, tokens: int, usual: int | None) -> int | None:
    key = f"tokenizer.ggml.{name}_token_id"
    if key not in metadata:
        return usual if usual is not None and usual < tokens else None
    token = metadata.integer(key)
    if not 0 <= token < tokens:
        raise InvalidModel(f"The GGUF file's {key} is not a token.")
    return token
