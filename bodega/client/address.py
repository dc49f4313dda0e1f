"""Where the server is, and how it is called."""

import os
from typing import Final

from bodega.bearer import HEADER
from bodega.config import CORE_PORT, TOKEN_VARIABLE

ADDRESS_VARIABLE: Final = "BODEGA_CORE"
DEFAULT_ADDRESS: Final = f"localhost:{CORE_PORT}"

SHORT_CALL_S: Final = 60.0
"""How long a call that only asks may take, unless the caller says otherwise."""

Metadata = tuple[tuple[str, str], ...]

CHANNEL_OPTIONS: Final = (
    # The server is near, or reached through a tunnel; a proxy for the web is no way to it.
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", -1),
    # A server that is gone without a word is noticed while an answer is awaited.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)


def server_address(address: str | None) -> str:
    """Return the address that was given, else BODEGA_CORE, else the default one."""
    return address or os.environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS


def token_metadata(token: str | None) -> Metadata:
    """Return the metadata that shows a token: the one given, else BODEGA_TOKEN, if there is one."""
    shown = token or os.environ.get(TOKEN_VARIABLE)
    return ((HEADER, f"Bearer {shown}"),) if shown else ()
