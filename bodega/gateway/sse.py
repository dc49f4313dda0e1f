"""The framing of server-sent events."""

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment: clients skip it, and proxies see that the connection lives."""


def event(data: bytes) -> bytes:
    """Return one event. The data is one line; JSON as it is encoded here always is."""
    return b"data: %b\n\n" % data
