"""The token that tells the server's users from strangers, as callers send it."""

import hashlib
import hmac
import re
from typing import Final

from bodega.errors import InvalidApiKey, MissingApiKey

HEADER: Final = "authorization"
"""The header of HTTP, and the metadata key of gRPC."""

_BEARER = re.compile(r"bearer +(?P<token>[\x21-\x7e]+) *", re.IGNORECASE)


class BearerToken:
    """A token that callers must show. Kept as a digest, so that nothing can print it."""

    def __init__(self, token: str) -> None:
        self._digest = _digest(token)

    def check(self, authorization: str | None) -> None:
        """Let a caller pass who shows the token.

        Args:
            authorization: the header's value, ``Bearer TOKEN``; None without one.

        Raises:
            MissingApiKey: there is no bearer token in it.
            InvalidApiKey: there is another one.
        """
        found = _BEARER.fullmatch(authorization or "")
        if found is None:
            raise MissingApiKey
        # Digests are of one length, and comparing them takes the same time wherever they differ.
        if not hmac.compare_digest(_digest(found["token"]), self._digest):
            raise InvalidApiKey


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
