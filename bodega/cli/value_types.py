"""What the text of a setting may be, beyond what click knows."""

import re
from typing import Final

import click

PORT: Final = click.IntRange(0, 65_535)

_HOST_NAME = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_MAX_TOKEN_CHARS: Final = 4096
_TOKEN = re.compile(rf"[\x21-\x7e]{{1,{_MAX_TOKEN_CHARS}}}")
_CORE_ADDRESS = re.compile(r"unix:.+|.+:[0-9]{1,5}")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#@]+")


def token_text(text: str) -> str:
    """Return a token, or refuse a text that a header cannot hold as one. It is not quoted."""
    if not _TOKEN.fullmatch(text):
        raise click.BadParameter(
            f"A token has 1 to {_MAX_TOKEN_CHARS} characters: ASCII letters, digits and marks, "
            "without spaces."
        )
    return text


def host_name(text: str) -> str:
    """Return a host name without a port, or refuse the text."""
    if not _HOST_NAME.fullmatch(text):
        raise click.BadParameter(f"'{text}' is not a host name without a port.")
    return text


def origin(text: str) -> str:
    """Return a web origin, or refuse the text."""
    if not _ORIGIN.fullmatch(text):
        raise click.BadParameter(f"'{text}' is not an origin such as https://example.com")
    return text


def adapter(text: str) -> tuple[str, float]:
    """Return an adapter's folder and its factor, of FOLDER or FOLDER=FACTOR."""
    path, _, factor = text.rpartition("=")
    try:
        return (path, float(factor)) if path else (text, 1.0)
    except ValueError:
        return text, 1.0


def core_address(text: str) -> str:
    """Return the gRPC address of a server, or refuse the text."""
    if not _CORE_ADDRESS.fullmatch(text):
        raise click.BadParameter(f"'{text}' is neither HOST:PORT nor unix:PATH.")
    return text
