"""What is known of the call being served: its request id, and the metadata it answers with."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeAlias

import grpc

from bodega.ids import request_id

REQUEST_ID_KEY = "x-request-id"
MODEL_KEY = "bodega-model"
TIMING_KEY = "server-timing"

Context: TypeAlias = grpc.aio.ServicerContext


@dataclass(slots=True)
class Call:
    """One call.

    Attributes:
        request_id: the caller's id for it, or one made here.
        metadata: what the answer's initial metadata holds; sent before the first message.
        trailers: what its trailing metadata holds, if it is answered whole.
    """

    request_id: str
    metadata: list[tuple[str, str]] = field(default_factory=list)
    trailers: list[tuple[str, str]] = field(default_factory=list)
    _sent: bool = False

    @classmethod
    def of(cls, context: Context) -> "Call":
        """Return the call of a context."""
        given = dict(context.invocation_metadata() or ()).get(REQUEST_ID_KEY)
        call = cls(request_id(given if isinstance(given, str) else None))
        call.metadata.append((REQUEST_ID_KEY, call.request_id))
        return call

    async def send_metadata(self, context: Context) -> None:
        """Send the initial metadata, once."""
        if not self._sent:
            self._sent = True
            await context.send_initial_metadata(tuple(self.metadata))


current_call: ContextVar[Call] = ContextVar("current_call")
"""The call that the running task serves."""
