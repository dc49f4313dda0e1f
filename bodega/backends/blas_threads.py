"""How many threads the BLAS library takes on a Linux CPU: one a core, or one in all.

The products of a small model are so short that to wake a second thread for each costs what it
saves, and takes the core that the event loop, the gateway and the clients need. On two cores a
small model served a fifth to a half more tokens at 8 clients with one thread.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from typing import Final

from threadpoolctl import ThreadpoolController

from bodega import platform

logger = logging.getLogger(__name__)

OPERATORS: Final = frozenset(
    ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "OMP_NUM_THREADS")
)
"""Variables by which the operator chooses; then nothing is measured."""

LEAST_GAIN: Final = 1.2
"""By how much more threads must be faster than one."""

RUNS: Final = 3
LONG_S: Final = 0.3
"""A run that takes longer is of a model that needs all cores: one thread is not tried."""


def fit(run: Callable[[], None]) -> Iterator[None]:
    """Leave the BLAS library one thread if a run is about as fast with it as with all.

    Nothing else may compute meanwhile: a library is not safe from a change of its threads. Where
    MLX computes elsewhere, or the operator has chosen, this does nothing.

    Args:
        run: a short run of the model, to its end.

    Yields:
        Before each run.
    """
    if not platform.needs_blas() or OPERATORS & os.environ.keys():
        return
    libraries = ThreadpoolController().select(user_api="blas")
    cores = len(os.sched_getaffinity(0))
    if cores == 1 or not libraries.lib_controllers:
        return
    best_s = dict.fromkeys((cores, 1), float("inf"))
    chosen = cores
    try:
        for _ in range(RUNS):
            for threads in best_s:
                yield
                libraries.limit(limits=threads)
                best_s[threads] = min(best_s[threads], _seconds(run))
                if best_s[cores] > LONG_S:
                    return
        if best_s[cores] * LEAST_GAIN >= best_s[1]:
            chosen = 1
    finally:
        libraries.limit(limits=chosen)
        logger.info("BLAS threads: %d", chosen)


def _seconds(run: Callable[[], None]) -> float:
    began_s = time.perf_counter()
    run()
    return time.perf_counter() - began_s
