"""Figures as people read them."""

from datetime import datetime, timedelta
from typing import Final

from rich import filesize

_NONE: Final = "-"
_THOUSANDS: Final = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


def size(size_bytes: float) -> str:
    """Return a size in units of 1000, for example ``1.2 GB``."""
    return filesize.decimal(round(size_bytes))


def parameters(count: int | None) -> str:
    """Return a number of weights, for example ``596M``."""
    if not count:
        return _NONE
    for unit, letter in _THOUSANDS:
        if count >= unit:
            return f"{count / unit:.3g}{letter}"
    return str(count)


def duration(seconds: float) -> str:
    """Return a time that something takes, for example ``0:01:30``."""
    return str(timedelta(seconds=round(seconds)))


def moment(since_1970_s: int) -> str:
    """Return a moment in the local time, to the minute."""
    return datetime.fromtimestamp(since_1970_s).astimezone().strftime("%Y-%m-%d %H:%M")


def or_none(value: object) -> str:
    """Return a value as text, a dash for none."""
    return str(value) if value else _NONE
