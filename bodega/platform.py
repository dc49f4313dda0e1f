"""What this machine is, and what follows from it. Asks without importing MLX.

MLX for the CPU brings the reference BLAS, which is ten to thirty times slower than a tuned
one. It finds its BLAS through the dynamic linker, so a tuned library that the machine has can
be loaded before it: `preload_blas` starts the process anew with LD_PRELOAD, once.
"""

import ctypes
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from glob import glob
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

Device = Literal["metal", "cuda", "cpu"]

BLAS_VARIABLE: Final = "BODEGA_BLAS"
"""The operator's choice: the path of a library, or ``off``. Unset: the best one there is."""

_MARKER: Final = "BODEGA_BLAS_PRELOADED"
"""Set over the one restart; holds the LD_PRELOAD that the operator had."""

_IDLE_THREADS_SLEEP: Final = {"OPENBLAS_THREAD_TIMEOUT": "8", "KMP_BLOCKTIME": "0"}
"""They wait for work in a loop otherwise, on the cores that all else needs: up to a third of a
small model's speed at 32 streams on two cores."""

_LDCONFIG_S: Final = 5.0

# The best first. Fedora's threaded builds of OpenBLAS end in p or o. Names with 64 take 64-bit
# integers, which MLX does not give.
_KINDS: Final = (
    ("OpenBLAS", re.compile(r"libopenblas[po]?(-r[\d.]+)?\.so(\.\d+)*")),
    ("MKL", re.compile(r"libmkl_rt\.so(\.\d+)*")),
    ("BLIS", re.compile(r"libblis(-mt)?\.so(\.\d+)*")),
)
_SYSTEM_GLOBS: Final = (
    "/usr/lib/*-linux-gnu/openblas-*/libopenblas.so*",
    "/usr/lib/*-linux-gnu/libopenblas*.so*",
    "/usr/lib64/libopenblas*.so*",
    "/usr/lib/libopenblas*.so*",
    "/usr/lib/*-linux-gnu/libblis*.so*",
    "/usr/lib64/libblis*.so*",
    "/usr/lib/*-linux-gnu/libmkl_rt.so*",
    "/opt/intel/oneapi/mkl/latest/lib/libmkl_rt.so*",
    "/opt/intel/oneapi/mkl/latest/lib/intel64/libmkl_rt.so*",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blas:
    """A tuned BLAS of this machine."""

    name: str
    path: Path


def mlx_device() -> Device:
    """Return what the installed MLX computes on."""
    if sys.platform == "darwin":
        return "metal"
    names = ("mlx-cuda-13", "mlx-cuda-12", "mlx-cuda")
    return "cuda" if any(map(_is_installed, names)) else "cpu"


def available_bytes() -> int:
    """Return the memory that programs can have without swapping, in bytes."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    kilobytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return int(kilobytes) * 1024


def name_thread() -> None:
    """Give the running thread its name in Linux's lists of threads too, as Python 3.14 does.

    Threads that it starts outside of Python inherit it.
    """
    with suppress(OSError):
        Path("/proc/thread-self/comm").write_text(threading.current_thread().name)


def needs_blas() -> bool:
    """Tell whether MLX computes on the CPU of a Linux machine, where its own BLAS is slow."""
    return sys.platform == "linux" and mlx_device() == "cpu"


def find_fast_blas() -> Blas | None:
    """Return the best tuned BLAS that exports plain ``cblas_sgemm``, or None.

    Of two of a kind the one of this Python environment goes before the system's. The libraries
    are opened to see what they export, so call it in a process that MLX is not in.
    """
    candidates = list(dict.fromkeys(filter(_can_preload, _candidates())))
    for name, _ in _KINDS:
        for path in candidates:
            if _kind(path) == name and _exports_sgemm(path):
                return Blas(name=name, path=path)
    return None


def blas_hint() -> str:
    """Return how to get a tuned BLAS on this machine."""
    choices = {
        "apt-get": "apt install libopenblas0-pthread",
        "dnf": "dnf install openblas-threads",
        "pacman": "pacman -S openblas",
        "zypper": "zypper install libopenblas_pthreads0",
    }
    system = [hint for tool, hint in choices.items() if _has_command(tool)]
    # The wheel exists for this architecture alone.
    pip = ["pip install mkl"] if os.uname().machine == "x86_64" else []
    return " or ".join(system[:1] + pip) or "install OpenBLAS"


def preload_blas() -> None:
    """Start this process anew with a tuned BLAS loaded before everything else, where that helps.

    Returns if there is none, if the operator says ``off``, or in the process that was started
    anew: there LD_PRELOAD is what it was before, so that child processes do not inherit the
    library. Keeps the process id and the inheritable file descriptors.

    Raises:
        ValueError: BODEGA_BLAS names no library that exports ``cblas_sgemm``.
    """
    if (original := os.environ.pop(_MARKER, None)) is not None:
        _restore("LD_PRELOAD", original)
        return
    if not needs_blas():
        return
    loaded = loaded_blas()  # before the search, which opens libraries
    blas = _chosen_blas(os.environ.get(BLAS_VARIABLE))
    if blas is not None and loaded is None:
        environment = blas_environment(blas, os.environ)
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606 - no shell


def blas_environment(blas: Blas, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that has the library preloaded.

    Its threads are told to sleep when they have nothing to do, unless the operator says
    otherwise. How many they are is the operator's to say, by OPENBLAS_NUM_THREADS and its like,
    or is measured when a model is loaded.
    """
    original = environment.get("LD_PRELOAD", "")
    preload = f"{blas.path}:{original}" if original else str(blas.path)
    return {**_IDLE_THREADS_SLEEP, **environment, _MARKER: original, "LD_PRELOAD": preload}


def loaded_blas() -> Blas | None:
    """Return the tuned BLAS that is mapped into this process, or None."""
    chosen = os.path.realpath(os.environ.get(BLAS_VARIABLE) or os.devnull)
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        path = Path(line.partition("/")[1] + line.partition("/")[2])
        if (name := _kind(path)) is not None or str(path) == chosen:
            return Blas(name=name or path.name, path=path)
    return None


def _chosen_blas(choice: str | None) -> Blas | None:
    if not choice:
        return find_fast_blas()
    if choice == "off":
        return None
    path = Path(choice)
    if not path.is_absolute() or not _can_preload(path) or not _exports_sgemm(path):
        raise ValueError(
            f"{BLAS_VARIABLE}: '{choice}' is neither 'off' nor the full path, without a space or "
            "a colon, of a library that exports cblas_sgemm."
        )
    return Blas(name=_kind(path) or path.name, path=path)


def _candidates() -> Iterator[Path]:
    for prefix in dict.fromkeys((sys.prefix, os.environ.get("CONDA_PREFIX", sys.prefix))):
        for pattern in ("libmkl_rt.so*", "libopenblas*.so*", "libblis*.so*"):
            yield from map(Path, sorted(glob(f"{prefix}/lib/{pattern}")))
    yield from _linker_cache()
    for pattern in _SYSTEM_GLOBS:
        yield from map(Path, sorted(glob(pattern)))


def _linker_cache() -> list[Path]:
    """Return the tuned libraries that the dynamic linker knows, threaded builds first."""
    ldconfig = next((p for p in ("/sbin/ldconfig", "/usr/sbin/ldconfig") if Path(p).exists()), None)
    if ldconfig is None:
        return []
    try:
        printed = subprocess.run(  # noqa: S603 - a fixed path and argument
            [ldconfig, "-p"],
            capture_output=True,
            text=True,
            timeout=_LDCONFIG_S,
            check=False,
            env={"LC_ALL": "C"},
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    paths = [Path(line.rpartition(" => ")[2]) for line in printed.splitlines() if " => " in line]
    tuned = [path for path in paths if _kind(path) is not None]
    return sorted(tuned, key=lambda path: "blasp" not in path.name)


def _kind(path: Path) -> str | None:
    return next((name for name, pattern in _KINDS if pattern.fullmatch(path.name)), None)


def _can_preload(path: Path) -> bool:
    """Tell whether LD_PRELOAD can hold the path: spaces and colons separate its entries."""
    return not re.search(r"[\s:]", str(path))


def _exports_sgemm(path: Path) -> bool:
    try:
        return hasattr(ctypes.CDLL(os.fspath(path)), "cblas_sgemm")
    except OSError:
        return False


def _has_command(name: str) -> bool:
    return any(Path(folder, name).exists() for folder in ("/usr/bin", "/bin"))


def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _restore(name: str, value: str) -> None:
    if value:
        os.environ[name] = value
    else:
        os.environ.pop(name, None)
