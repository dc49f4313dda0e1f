"""Which files are in use, so that nobody removes them meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bodega.errors import ModelInUse


class Uses:
    """The folders in use and those being removed. On the event loop only."""

    def __init__(self) -> None:
        self._uses: dict[object, tuple[Path, str]] = {}
        self._removed: list[Path] = []

    def begin(self, folder: Path, how: str) -> "Use":
        """Keep a folder from being removed until the use ends.

        Args:
            folder: the folder.
            how: what is done with it, for the message of who would remove it.

        Raises:
            ModelInUse: it is being removed.
        """
        folder = folder.resolve()
        if any(folder.is_relative_to(removed) for removed in self._removed):
            raise ModelInUse("being deleted")
        use = Use(self._uses)
        self._uses[use] = (folder, how)
        return use

    @contextmanager
    def none_of(self, folder: Path) -> Iterator[None]:
        """Keep uses of a folder, and of all inside it, from beginning.

        Raises:
            ModelInUse: there is one.
        """
        folder = folder.resolve()
        for used, how in self._uses.values():
            if used.is_relative_to(folder):
                raise ModelInUse(how)
        if folder in self._removed:
            raise ModelInUse("being deleted")
        self._removed.append(folder)
        try:
            yield
        finally:
            self._removed.remove(folder)


class Use:
    """A use of a folder."""

    def __init__(self, uses: dict[object, tuple[Path, str]]) -> None:
        self._uses = uses

    def end(self) -> None:
        """End it; does nothing the second time."""
        self._uses.pop(self, None)
