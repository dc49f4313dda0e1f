"""The machine, its memory, and the versions of what Bodega is built on."""

import os
import platform as python_platform
from importlib import metadata
from pathlib import Path
from typing import Final

from bodega import __version__, platform
from bodega.cli.doctor.finding import Finding
from bodega.cli.figures import size

_LOW_BYTES: Final = 2 * 10**9
_PACKAGES: Final = ("mlx", "mlx-lm", "grpcio", "protobuf", "aiohttp", "huggingface_hub")
_CPU_INFO: Final = Path("/proc/cpuinfo")


def findings() -> list[Finding]:
    """Return what the machine is and what is installed."""
    return [_machine(), _memory(), _bodega(), _packages()]


def _machine() -> Finding:
    system = f"{python_platform.system()} {python_platform.release()}"
    text = f"{_processor()}, {os.cpu_count()} cores, {system}, {python_platform.machine()}"
    return Finding(name="machine", text=text)


def _processor() -> str:
    try:
        lines = _CPU_INFO.read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, python_platform.processor() or "unknown processor")


def _memory() -> Finding:
    all_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    available = platform.available_bytes()
    text = f"{size(available)} of {size(all_bytes)} available"
    if available < _LOW_BYTES:
        return Finding(
            name="memory",
            state="note",
            text=f"{text}: enough for small models only",
            mend="bodega unload, or end other programs",
        )
    return Finding(name="memory", text=text)


def _bodega() -> Finding:
    return Finding(name="bodega", text=f"{__version__}, Python {python_platform.python_version()}")


def _packages() -> Finding:
    missing = [name for name in _PACKAGES if _version(name) is None]
    if missing:
        return Finding(
            name="packages",
            state="wrong",
            text=f"{', '.join(missing)} not installed",
            mend=f"pip install {' '.join(missing)}",
        )
    return Finding(name="packages", text=", ".join(f"{n} {_version(n)}" for n in _PACKAGES))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
