"""Following a grammar token by token, as constrained decoding does."""

import random
import re
from collections.abc import Sequence

from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

_WORDS = (
    "\n</parameter>\n", "</parameter>", '{"', '": ', '", "', '"}', "\n\n", "</think>",
    "</arg_value>", "tool", "call", " <", "functions.", "é", "<think>",
)  # fmt: skip


class Vocabulary:
    """A small vocabulary of bytes, some words, and tokens of their own."""

    def __init__(self, markers: Sequence[str]) -> None:
        self.markers = list(markers)
        ordinary = [bytes([byte]) for byte in range(256)]
        ordinary += [word.encode() for word in _WORDS if word not in markers]
        self.first_marker = len(ordinary)
        self.tokens = [*ordinary, *(marker.encode() for marker in markers), b"<eos>"]
        self.eos = self.eos_token_id = len(self.tokens) - 1
        self.bos_token_id = None
        self.special_token_ids = list(range(self.first_marker, len(self.tokens)))
        self._words = sorted(ordinary[256:], key=len, reverse=True)
        self.matched = LLTokenizer(TokenizerWrapper(self))

    def __call__(self, text: bytes | str) -> list[int]:
        """Return no tokens: no text is forced into them."""
        return []

    def encode(self, text: str) -> list[int]:
        """Return tokens of a text, the longest that fit; a marker is always one."""
        found = []
        pieces = [text]
        if self.markers:
            longest = sorted(self.markers, key=len, reverse=True)
            pieces = re.split(f"({'|'.join(map(re.escape, longest))})", text)
        for piece in pieces:
            if piece in self.markers:
                found.append(self.first_marker + self.markers.index(piece))
            else:
                rest = piece.encode()
                while rest:
                    token = next((word for word in self._words if rest.startswith(word)), rest[:1])
                    found.append(self.tokens.index(token))
                    rest = rest[len(token) :]
        return found

    def matcher(self, grammar: str) -> LLMatcher:
        """Return what follows a grammar."""
        for place, marker in enumerate(self.markers):
            if not marker.startswith("<"):
                grammar = grammar.replace(f"<{marker}>", f"<[{self.first_marker + place}]>")
        free = f'{grammar}\n%llguidance {{"no_forcing": true}}\n'
        matcher = LLMatcher(self.matched, free, log_level=0)
        assert not matcher.is_error(), matcher.get_error()
        return matcher

    def allows(self, grammar: str, text: str) -> bool:
        """Whether a text is all of what a grammar allows, by its mask at every token."""
        matcher = self.matcher(grammar)
        for token in self.encode(text):
            if not _is_in(matcher.compute_bitmask(), token):
                return False
            assert matcher.consume_token(token)
        return bool(matcher.is_accepting())

    def wander(
        self, grammar: str, seed: int, most: int = 4000
    ) -> tuple[str, list[tuple[int, int]]]:
        """Return an answer of random allowed tokens, and where it holds markers."""
        choice = random.Random(seed)
        matcher = self.matcher(grammar)
        text = bytearray()
        places = []
        for _ in range(most):
            mask = matcher.compute_bitmask()
            allowed = [token for token in range(len(self.tokens)) if _is_in(mask, token)]
            assert allowed
            # What ends something is liked more, or the walk would not end.
            ends = [token for token in allowed if token >= 256 or token in b'"}],\n']
            token = choice.choice(ends if ends and choice.random() < 0.4 else allowed)
            if token == self.eos:
                break
            if token >= self.first_marker:
                begin = len(text.decode())
                places.append((begin, begin + len(self.tokens[token].decode())))
            text += self.tokens[token]
            assert matcher.consume_token(token), matcher.get_error()
        else:
            raise AssertionError(text.decode(errors="replace"))
        return text.decode(), places


def _is_in(mask: bytes, token: int) -> bool:
    return bool(mask[token // 8] >> (token % 8) & 1)
