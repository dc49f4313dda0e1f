"""Another program in place of the interpreter that a test starts."""

from pathlib import Path

_EXEC = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"


def in_place(*command: str | Path) -> list[str]:
    """Return arguments with which the interpreter becomes another program, under its own pid."""
    return ["-c", _EXEC, *map(str, command)]
