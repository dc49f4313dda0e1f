"""A measurement in a process of its own: it gets its job, and gives its figures, as JSON.

A process of its own keeps the measuring from what is measured: each has its own interpreter
lock, its own memory, and in the ceiling's case its own MLX.
"""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.errors import BenchError

_ROOT: Final = Path(__file__).parents[1]
_LIMIT_S: Final = 1800.0
"""How long one measurement may take; slow servers take minutes."""


def run(module: str, job: Any) -> dict[str, Any]:
    """Run a module whose main part is `work`, and return its figures.

    The process ends before this returns or raises, whatever happens.

    Args:
        module: the name it is imported by.
        job: the dataclass that its work is given.

    Raises:
        BenchError: the work failed.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", module],
            input=json.dumps(dataclasses.asdict(job)),
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            process_group=0,  # Ctrl-C is for this process, which then ends that one
            timeout=_LIMIT_S,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{module} did not end within {_LIMIT_S:.0f} s.") from None
    except subprocess.CalledProcessError as error:
        raise BenchError(error.stdout.strip() or f"{module} failed.") from None
    # Libraries may have printed before.
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def work(measure: Callable[[dict[str, Any]], Any]) -> None:
    """Be that process: measure what standard input asks for.

    Args:
        measure: takes the members of the job, and returns a dataclass.
    """
    try:
        figures = measure(json.load(sys.stdin))
    except BenchError as error:
        print(error)
        raise SystemExit(1) from None
    print(json.dumps(dataclasses.asdict(figures)))
