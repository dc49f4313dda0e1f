"""What a server does with many chats at once, and the CPU time that it takes."""

import time
from typing import Final

from bench import cpu, worker
from bench.ceiling import CeilingJob
from bench.errors import NotHereError
from bench.figures import CeilingFigures, Figure, LoadFigures
from bench.load import LoadJob
from bench.plan import Task
from bench.prompts import Prompt
from bodega import platform

_CPU_CLIENTS: Final = 8
_QUIET_S: Final = 1.0
"""What a server may take to settle before it counts as at rest."""

_CEILING: Final = "BatchGenerator"
_PINNED: Final = "BatchGenerator on one core"


class Throughput:
    """The measurements under load, of one round: what two of them share is measured once.

    Attributes:
        ceilings: what was measured of the model alone, by sequences together and by whether on
            one core.
        loads: what was measured under load.
    """

    def __init__(self, task: Task) -> None:
        self.ceilings: dict[tuple[int, bool], CeilingFigures] = {}
        self.loads: list[LoadFigures] = []
        self._task = task
        self._plan = task.plan
        self._work: dict[int, tuple[list[Prompt], list[Prompt]]] = {}
        self._streams: dict[int, LoadFigures] = {}

    def streams(self, clients: int) -> list[Figure]:
        """Measure greedy chats of so many clients against as many rows in the process."""
        ceiling, load = self._ceiling(clients), self._stream(clients)
        name = _clients(clients)
        return [
            _speed(f"{name}: tokens/s", load, ceiling, _CEILING),
            Figure(label=f"{name}: TTFT p50, ms", value=load.ttft_p50_ms),
            Figure(label=f"{name}: TTFT p95, ms", value=load.ttft_p95_ms),
            Figure(label=f"{name}: token gap p99, ms", value=load.gap_p99_ms),
        ]

    def pinned(self, clients: int) -> list[Figure]:
        """Compare the same chats with the process on one core."""
        if not platform.needs_blas():
            raise NotHereError("pinning to a core matters only to MLX on a CPU of Linux")
        ceiling = self._ceiling(clients, pinned=True)
        label = f"{_clients(clients)}: tokens/s, beside the pinned ceiling"
        return [_speed(label, self._stream(clients), ceiling, _PINNED)]

    def mixed(self, clients: int) -> list[Figure]:
        """Measure chats that sample, each with its own seed, against greedy rows."""
        warmup, prompts = self._new_work(clients)
        load = self._load(clients, warmup, prompts, style="sampled")
        label = f"{_clients(clients)}, sampled: tokens/s"
        return [_speed(label, load, self._ceiling(clients), f"{_CEILING}, greedy")]

    def constrained(self, clients: int) -> list[Figure]:
        """Measure chats whose answers are held to a JSON schema against chats that are free."""
        return [self._beside_greedy(clients, "constrained", "with a JSON schema")]

    def varied(self, clients: int) -> list[Figure]:
        """Measure chats that sample each in its own way, with biases, against greedy ones."""
        return [self._beside_greedy(clients, "varied", "mixed parameters and biases")]

    def _beside_greedy(self, clients: int, style: str, what: str) -> Figure:
        greedy = self._stream(clients)
        load = self._load(clients, *self._new_work(clients), style=style)
        return Figure(
            label=f"{_clients(clients)}, {what}: tokens/s",
            value=load.tokens_per_s,
            against=greedy.tokens_per_s,
            reference="the server's greedy chats",
            digits=0,
        )

    def cpu(self) -> list[Figure]:
        """Measure the CPU time of a token, by the thread that it is spent in."""
        pid = self._pid()
        clients = min(self._plan.requests_per_client, key=lambda each: abs(each - _CPU_CLIENTS))
        warmup, prompts = self._new_work(clients)
        before = cpu.threads(pid)
        cpu.parts(before, before)  # refuses at once
        self._load(clients, warmup, prompts)
        spent = cpu.parts(before, cpu.threads(pid))
        tokens = (len(warmup) + len(prompts)) * self._plan.max_tokens
        ceiling = self._ceiling(clients)
        name = f"CPU at {_clients(clients)}, us/token"
        parts = {
            "engine thread": spent.engine_s,
            "MLX thread": spent.mlx_s,
            "core loop": spent.core_loop_s,
            "core, other threads": spent.core_other_s,
            "gateway": spent.gateway_s,
        }
        return [
            *(
                Figure(label=f"{name}: {part}", value=1e6 * part_s / tokens, digits=0)
                for part, part_s in parts.items()
            ),
            Figure(
                label=f"{name}: all",
                value=1e6 * spent.total_s / tokens,
                against=1e6 * ceiling.cpu_s / ceiling.output_tokens,
                reference=_CEILING,
                digits=0,
            ),
        ]

    def rest(self) -> list[Figure]:
        """Measure the CPU time of all processes while nothing is asked of them."""
        pid = self._pid()
        cpu.total_s(pid)
        time.sleep(_QUIET_S)
        before_s, started_s = cpu.total_s(pid), time.perf_counter()
        time.sleep(self._plan.rest_s)
        cores = (cpu.total_s(pid) - before_s) / (time.perf_counter() - started_s)
        return [Figure(label="CPU at rest, % of a core", value=100 * cores)]

    def _pid(self) -> int:
        if self._task.target.pid is None:
            raise NotHereError("the server's processes are not known")
        return self._task.target.pid

    def _new_work(self, clients: int) -> tuple[list[Prompt], list[Prompt]]:
        count = clients * self._plan.requests_per_client[clients]
        return self._task.prompts.take(clients), self._task.prompts.take(count)

    def _shared_work(self, clients: int) -> tuple[list[Prompt], list[Prompt]]:
        if clients not in self._work:
            self._work[clients] = self._new_work(clients)
        return self._work[clients]

    def _ceiling(self, clients: int, *, pinned: bool = False) -> CeilingFigures:
        if (clients, pinned) not in self.ceilings:
            warmup, prompts = self._shared_work(clients)
            job = CeilingJob(
                folder=str(self._task.folder),
                rows=clients,
                warmup=[list(prompt.tokens) for prompt in warmup],
                prompts=[list(prompt.tokens) for prompt in prompts],
                max_tokens=self._plan.max_tokens,
                stop_tokens=list(self._task.stop_tokens),
                pinned=pinned,
            )
            figures = CeilingFigures(**worker.run("bench.ceiling", job))
            self.ceilings[clients, pinned] = figures
        return self.ceilings[clients, pinned]

    def _stream(self, clients: int) -> LoadFigures:
        if clients not in self._streams:
            self._streams[clients] = self._load(clients, *self._shared_work(clients))
        return self._streams[clients]

    def _load(
        self, clients: int, warmup: list[Prompt], prompts: list[Prompt], *, style: str = "greedy"
    ) -> LoadFigures:
        job = LoadJob(
            base_url=self._task.target.base_url,
            model=self._task.target.model,
            clients=clients,
            warmup=[prompt.text for prompt in warmup],
            prompts=[prompt.text for prompt in prompts],
            max_tokens=self._plan.max_tokens,
            style=style,
            may_end=bool(self._task.stop_tokens),
        )
        load = LoadFigures(**worker.run("bench.load", job))
        self.loads.append(load)
        return load


def _clients(clients: int) -> str:
    return f"{clients} client{'s' * (clients > 1)}"


def _speed(label: str, load: LoadFigures, ceiling: CeilingFigures, reference: str) -> Figure:
    return Figure(
        label=label,
        value=load.tokens_per_s,
        against=ceiling.tokens_per_s,
        reference=reference,
        digits=0,
    )
