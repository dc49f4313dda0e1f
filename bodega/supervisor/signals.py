"""Ctrl-C and its kin, as events: the first asks for an orderly end, the second for one now."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """What came so far.

    Attributes:
        first: set by the first signal.
        second: set by any later one.
        last: the number of the latest signal.
    """

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self.last = 0

    def receive(self, number: int) -> None:
        """Take note of a signal."""
        self.last = number
        (self.second if self.first.is_set() else self.first).set()


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Catch the signals that end a program, while the context lasts.

    SIGHUP stays ignored where it was, as under nohup.
    """
    loop = asyncio.get_running_loop()
    signals = StopSignals()
    caught = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in caught:
        loop.add_signal_handler(number, signals.receive, number)
    try:
        yield signals
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
