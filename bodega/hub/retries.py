"""How often the hub is asked again, and how long is waited before."""

from bodega import limits
from bodega.errors import (
    BodegaError,
    DownloadTruncated,
    HubFailed,
    HubRateLimited,
    HubUnreachable,
)
from bodega.hub.cancellation import Cancellation


class Retries:
    """The tries of one thing."""

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation
        self._failed = 0

    def reset(self) -> None:
        """Count anew: it went on meanwhile."""
        self._failed = 0

    def wait(self, error: BodegaError) -> None:
        """Wait before the next try, as long as the hub asked for or a little longer every time.

        Args:
            error: why the last one failed.

        Raises:
            BodegaError: `error`, if another try is of no use, there were enough, or the wait
                would be long.
            DownloadCancelled: it was cancelled meanwhile.
        """
        self._failed += 1
        if not _is_passing(error) or self._failed >= limits.HUB_TRIES:
            raise error
        asked_s = error.retry_after_s if isinstance(error, HubRateLimited) else None
        if asked_s is not None and asked_s > limits.MAX_HUB_WAIT_S:
            raise error
        own_s: float = limits.HUB_FIRST_WAIT_S * 2 ** (self._failed - 1)
        self._cancellation.wait(own_s if asked_s is None else asked_s)


def _is_passing(error: BodegaError) -> bool:
    if isinstance(error, HubFailed):
        return error.is_passing
    return isinstance(error, HubRateLimited | HubUnreachable | DownloadTruncated)
