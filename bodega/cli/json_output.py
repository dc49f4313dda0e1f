"""One JSON value on standard output: what the HTTP API answers, where it has such an answer."""

from typing import Any

import click
import orjson
from google.protobuf.message import Message

from bodega.gateway.encode import Encoder


def print_json(value: Message | object) -> None:
    """Print a message, or anything that is JSON but for messages in it."""
    click.echo(orjson.dumps(value, default=_json_of, option=orjson.OPT_INDENT_2))


def _json_of(value: object) -> object:
    if isinstance(value, Message):
        descriptor: Any = value.DESCRIPTOR
        return orjson.loads(Encoder(descriptor).for_request(value)(value))
    raise TypeError(type(value).__name__)
