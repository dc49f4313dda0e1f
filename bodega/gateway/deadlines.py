"""How long a client may keep the gateway waiting."""

from dataclasses import dataclass

from bodega import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Times after which a connection is closed, in seconds.

    Attributes:
        head_s: for a request's head to come, from the connection's or the head's begin.
        idle_s: between two requests.
        body_s: for each part of a body to come.
        linger_s: for the rest of a body that nobody wants any more.
        stall_s: in which the client takes nothing of what is sent.
    """

    head_s: float = limits.HEAD_S
    idle_s: float = limits.IDLE_S
    body_s: float = limits.BODY_S
    linger_s: float = limits.LINGER_S
    stall_s: float = limits.STALL_S
