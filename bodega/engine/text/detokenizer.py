"""Tokens to text, token by token: characters may span tokens and are never broken."""

import codecs

from bodega.backends.base import TextDecoding


class Detokenizer:
    """Decodes the tokens of one answer.

    Bytes that cannot be UTF-8 become U+FFFD; bytes that may yet become a
    character wait for those that complete it.
    """

    def __init__(self, decoding: TextDecoding) -> None:
        self._token_bytes = decoding.token_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._drop_space = decoding.drops_first_space

    def push(self, token: int) -> str:
        """Return the text that the token completes, which may be none."""
        return self._shorten(self._utf8.decode(self._token_bytes[token]))

    def push_marker(self, token: int) -> tuple[str, int]:
        """Return the text that a marker completes, and where in it its own begins.

        A character that is not finished by then never will be: it becomes U+FFFD.
        """
        before = self.finish()
        return before + self._token_bytes[token].decode("utf-8", "replace"), len(before)

    def finish(self) -> str:
        """Return what is left at the end of an answer: U+FFFD for an unfinished character."""
        return self._shorten(self._utf8.decode(b"", final=True))

    def _shorten(self, text: str) -> str:
        if not self._drop_space or not text:
            return text
        self._drop_space = False
        return text.removeprefix(" ")
