"""What a run measures, and how much of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.prompts import PromptMaker


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: how often everything is measured.
        requests_per_client: how many chats each client has in one measurement, by the number of
            clients.
        max_tokens: length of each answer, in tokens.
        prefixes: shared prefixes a round.
        single_requests: requests for one token a round.
        prefill_slices: sizes, in tokens, of which the fastest is what a prefill is compared with.
        rest_s: how long the server is watched at rest.
    """

    rounds: int
    requests_per_client: Mapping[int, int]
    max_tokens: int
    prefixes: int = 2
    single_requests: int = 100
    prefill_slices: Sequence[int] = (32, 64, 128, 256, 512)
    rest_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The server to measure.

    Attributes:
        base_url: as OpenAI's clients take it.
        model: the name of the model in its requests.
        pid: its first process; None if that is not known here.
    """

    base_url: str
    model: str
    pid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What every measurement is given.

    Attributes:
        plan: how much to measure.
        target: the server.
        folder: the model, which the server is to have loaded.
        prompts: where prompts come from.
        stop_tokens: tokens that end an answer of the model; the made one has none.
    """

    plan: Plan
    target: Target
    folder: Path
    prompts: PromptMaker
    stop_tokens: Sequence[int] = ()
