"""The ceiling: mlx-lm's BatchGenerator on the same model and prompts, in the process.

No server, no text, no client: token ids in, token ids out, greedy. It is what the machine gives
a batch of that width, and what the server's figures are a share of. Prefill is included, and all
prompts are there from the start.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import worker
from bench.errors import BenchError
from bench.figures import CeilingFigures
from bench.weights import read_model
from bodega import platform

_PREFILL_ROWS = 8
"""BatchGenerator's own default for prompts read together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingJob:
    """What to measure.

    Attributes:
        folder: the model's.
        rows: sequences to decode together.
        warmup: prompts, as token ids, that are not measured.
        prompts: prompts, as token ids, that are.
        max_tokens: length of each answer, in tokens.
        stop_tokens: tokens that end an answer early; none: an answer that is shorter is an error.
        pinned: whether to keep this thread, and those that it starts, to one core. MLX's is among
            them, the BLAS library's are not: as where a server pins its own.
    """

    folder: str
    rows: int
    warmup: list[list[int]]
    prompts: list[list[int]]
    max_tokens: int
    stop_tokens: list[int] = field(default_factory=list)
    pinned: bool = False


def measure(job: CeilingJob) -> CeilingFigures:
    """Decode all prompts, so many together, and return how fast that was.

    Raises:
        BenchError: the answers were not as long as they were asked to be.
    """
    if job.pinned:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    model = read_model(Path(job.folder))
    _generate(model, job, job.warmup)
    cpu_s, started_s = time.process_time(), time.perf_counter()
    output_tokens = _generate(model, job, job.prompts)
    seconds = time.perf_counter() - started_s
    cpu_s = time.process_time() - cpu_s
    if not job.stop_tokens and output_tokens != len(job.prompts) * job.max_tokens:
        raise BenchError("An answer of the ceiling ended early.")
    blas = platform.loaded_blas()
    return CeilingFigures(
        rows=job.rows,
        pinned=job.pinned,
        seconds=seconds,
        output_tokens=output_tokens,
        tokens_per_s=output_tokens / seconds,
        cpu_s=cpu_s,
        blas=blas.name if blas else None,
    )


def _generate(model: Any, job: CeilingJob, prompts: list[list[int]]) -> int:
    """Return how many tokens the answers have, all together."""
    from mlx_lm.generate import BatchGenerator

    generator = BatchGenerator(
        model,
        max_tokens=job.max_tokens,
        stop_tokens=[[token] for token in job.stop_tokens],
        completion_batch_size=job.rows,
        # It decodes at least as many rows as it reads prompts together.
        prefill_batch_size=min(_PREFILL_ROWS, job.rows),
    )
    generator.insert(prompts)
    running, output_tokens = len(prompts), 0
    while running:
        responses = generator.next()[1]
        output_tokens += len(responses)
        running -= sum(response.finish_reason is not None for response in responses)
    generator.close()
    return output_tokens


if __name__ == "__main__":
    platform.preload_blas()
    worker.work(lambda job: measure(CeilingJob(**job)))
