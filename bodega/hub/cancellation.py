"""How a download is ended from another thread, also while it waits for the network."""

import contextlib
import socket
import threading
from collections.abc import Iterator

from bodega.errors import DownloadCancelled


class Cancellation:
    """Whether a download has been cancelled. Safe to use from several threads."""

    def __init__(self, model_id: str) -> None:
        """Make one that is not cancelled.

        Args:
            model_id: what is downloaded, for the message.
        """
        self._model_id = model_id
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()

    def cancel(self) -> None:
        """Cancel. Whoever reads from a guarded socket is woken."""
        self._event.set()
        with self._lock:
            for connection in self._sockets:
                _shut(connection)

    def check(self) -> None:
        """Do nothing unless cancelled.

        Raises:
            DownloadCancelled: it has been.
        """
        if self._event.is_set():
            raise DownloadCancelled(self._model_id)

    def wait(self, seconds: float) -> None:
        """Wait.

        Raises:
            DownloadCancelled: it was cancelled before or meanwhile.
        """
        self._event.wait(seconds)
        self.check()

    @contextlib.contextmanager
    def guard(self, connection: socket.socket | None) -> Iterator[None]:
        """Shut a socket when cancelled, so that nobody goes on waiting for it.

        Raises:
            DownloadCancelled: it has been.
        """
        if connection is None:
            self.check()
            yield
            return
        with self._lock:
            self.check()
            self._sockets.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._sockets.discard(connection)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed by its other end meanwhile
        connection.shutdown(socket.SHUT_RDWR)
