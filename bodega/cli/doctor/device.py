"""What MLX computes on, whether it does, and with which BLAS. MLX is tried in a process apart."""

import subprocess
import sys
from typing import Final

from bodega import platform
from bodega.cli.doctor.finding import Finding

_TRIAL: Final = "import mlx.core as mx; mx.eval(mx.ones(2) + 1); print(mx.default_device())"
_TRIAL_S: Final = 60.0
_MENDS: Final = {
    "metal": "pip install --force-reinstall mlx",
    "cuda": "pip install --force-reinstall 'mlx[cuda13]', with a driver that nvidia-smi shows",
    "cpu": "pip install --force-reinstall 'mlx[cpu]'",
}


def findings() -> list[Finding]:
    """Return what computes, and with what."""
    found = [_mlx()]
    if platform.needs_blas():
        found.append(_blas())
    return found


def _mlx() -> Finding:
    device = platform.mlx_device()
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, fixed arguments
            [sys.executable, "-c", _TRIAL],
            capture_output=True,
            text=True,
            timeout=_TRIAL_S,
            check=False,
        )
        failed = done.stderr.strip().splitlines()[-1:] if done.returncode else None
    except subprocess.TimeoutExpired:
        failed = [f"no result after {_TRIAL_S:.0f} s"]
    if failed is not None:
        reason = failed[0] if failed else "it ended without a word"
        return Finding(name="mlx", state="wrong", text=f"{device}: {reason}", mend=_MENDS[device])
    return Finding(name="mlx", text=f"computes on {device} ({done.stdout.strip()})")


def _blas() -> Finding:
    blas = platform.find_fast_blas()
    if blas is None:
        return Finding(
            name="blas",
            state="note",
            text="none that is tuned: MLX's own is ten to thirty times slower",
            mend=platform.blas_hint(),
        )
    return Finding(name="blas", text=f"{blas.name}, {blas.path}")
