"""How far a load or a download is: a bar in a terminal, elsewhere a line when something begins."""

from types import TracebackType
from typing import Self

from bodega_api.v1 import admin_pb2, models_pb2
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from bodega.cli.figures import duration, size


class ShownProgress:
    """Shows progress on standard error while its context lasts."""

    def __init__(self, title: str, *, quiet: bool) -> None:
        """Make one.

        Args:
            title: what the progress is of.
            quiet: show nothing where there is no terminal.
        """
        self._console = Console(stderr=True, highlight=False)
        self._title = title
        self._lines = not quiet and not self._console.is_terminal
        self._said = ""
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[details]}", style="dim"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._bar = self._bars.add_task(title, total=100.0, details="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def download(self, progress: models_pb2.DownloadProgress) -> None:
        """Show how far a download is."""
        verifying = progress.status == models_pb2.DOWNLOAD_STATUS_VERIFYING
        self._say("Verifying" if verifying else "Downloading")
        self._show(progress.progress, _download_details(progress))

    def load(self, progress: admin_pb2.LoadProgress) -> None:
        """Show how far a load is."""
        if progress.HasField("download"):
            self.download(progress.download)
            return
        self._say(progress.message.rstrip("."))
        self._show(progress.progress, "")

    def _show(self, percent: float, details: str) -> None:
        self._bars.update(self._bar, completed=percent, details=details)

    def _say(self, what: str) -> None:
        if what == self._said:
            return
        self._said = what
        self._bars.update(self._bar, description=what)
        if self._lines:
            self._console.print(f"{self._title}: {what}", markup=False)


def _download_details(progress: models_pb2.DownloadProgress) -> str:
    parts = [f"{size(progress.downloaded_bytes)} of {size(progress.total_bytes)}"]
    if progress.bytes_per_second:
        parts.append(f"{size(progress.bytes_per_second)}/s")
    if progress.HasField("seconds_left"):
        parts.append(f"{duration(progress.seconds_left)} left")
    if progress.total_files:
        parts.append(
            f"file {min(progress.downloaded_files + 1, progress.total_files)} of "
            f"{progress.total_files}"
        )
    return ", ".join(parts)
