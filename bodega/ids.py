"""Identifiers: of answers, of requests, and of models as their users write them."""

import re
import secrets

REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


def new_chat_id() -> str:
    """Return a fresh id of a chat answer, ``chatcmpl_`` and 24 hexadecimal digits."""
    return f"chatcmpl_{secrets.token_hex(12)}"


def new_completion_id() -> str:
    """Return a fresh id of a completion, ``cmpl_`` and 24 hexadecimal digits."""
    return f"cmpl_{secrets.token_hex(12)}"


def new_call_id() -> str:
    """Return a fresh id of a tool call, ``call_`` and 24 hexadecimal digits."""
    return f"call_{secrets.token_hex(12)}"


def new_short_call_id() -> str:
    """Return a fresh id of a tool call, 9 hexadecimal digits."""
    return secrets.token_hex(5)[:9]


def request_id(given: str | None) -> str:
    """Return the caller's request id if it is plain text of up to 128 characters, else a new one.

    The id is a label for logs and answers, never a key: two callers may give the same.
    """
    if given is not None and REQUEST_ID_PATTERN.fullmatch(given):
        return given
    return f"req_{secrets.token_hex(12)}"
