"""What a loaded model takes of the device's memory."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """Bytes of memory, for people and programs to read.

    Attributes:
        weight_bytes: the weights.
        kv_bytes: set aside for the caches of the requests that run, the page by which they may
            grow next included.
        kv_budget_bytes: the most that may be set aside.
        prefix_cache_bytes: caches of prefixes that may be used again.
        active_bytes: all that the device has given out, the above and what is being computed.
    """

    weight_bytes: int
    kv_bytes: int
    kv_budget_bytes: int
    prefix_cache_bytes: int
    active_bytes: int
