"""What a command's exit code means. Documented in docs/command-line.md."""

from typing import Final

FAILED: Final = 1
"""It was tried and failed, or the answer is no."""

WRONG_USAGE: Final = 2
"""The arguments cannot be meant; nothing was tried. click's own."""

NO_SERVER: Final = 3
"""No server answers where one is needed."""

INTERRUPTED: Final = 130
"""Ctrl-C, as shells tell it."""
