"""`python -m bench`: measure the server, print one table."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from bench import report
from bench.errors import BenchError
from bench.model import small_model
from bench.plan import Plan, Target
from bench.rounds import NAMES, Round, Rounds
from bench.server import running_server
from bodega import platform

_MAX_TOKENS: Final = 64
# About four seconds each on a CPU.
_REQUESTS_PER_CLIENT: Final = {1: 28, 8: 14, 32: 5}
_FOLDER_REQUESTS_PER_CLIENT: Final = {1: 4, 8: 2}
_FOLDER_NAMES: Final = ("streams", "mixed", "varied", "constrained")
_QUICK_REQUESTS_PER_CLIENT: Final = {1: 4, 8: 1, 32: 1}
_CPU_SLICES: Final = (32, 64, 128, 256, 512)
_GPU_SLICES: Final = (*_CPU_SLICES, 1024, 2048)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code."""
    options = _options(arguments)
    folder = options.folder or small_model()
    plan = _plan(options)
    _end_orderly()
    try:
        with _target(options, folder, plan) as target:
            stop_tokens = _stop_tokens(folder) if options.folder else ()
            rounds = Rounds(
                plan,
                target,
                folder=folder,
                tell=_tell,
                only=options.only,
                stop_tokens=stop_tokens,
            ).run()
    except BenchError as error:
        _tell(f"No figures: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    _print(rounds)
    if options.json is not None:
        figures = report.as_json(rounds, server=options.base_url or "bodega")
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure a server: streamed chats at 1, 8 and 32 clients, reuse of prefixes, "
        "long prompts, and what a request costs. Each figure stands beside what mlx-lm reaches "
        "on the same model and prompts without a server.",
    )
    parser.add_argument(
        "--rounds",
        metavar="N",
        type=_count,
        default=3,
        help="how often to measure everything (3)",
    )
    parser.add_argument(
        "--only",
        metavar="NAME[,NAME]",
        type=_names,
        default=NAMES,
        help=f"measure these alone: {', '.join(NAMES)}",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="measure with the model of this folder, at 1 and 8 clients: "
        f"{' and '.join(_FOLDER_NAMES)} alone",
    )
    parser.add_argument(
        "--base-url",
        metavar="URL",
        help="measure a server that runs already, at a URL that ends in /v1; it has to serve the "
        "model whose folder `python -m bench.model` prints",
    )
    parser.add_argument("--model", metavar="NAME", help="that server's name for the model")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures here")
    parser.add_argument(
        "--quick", action="store_true", help="one short round, to see that everything works"
    )
    options = parser.parse_args(arguments)
    if options.folder is not None:
        if not (options.folder / "tokenizer_config.json").is_file():
            parser.error(f"{options.folder} is not the folder of a model")
        options.only = [name for name in options.only if name in _FOLDER_NAMES]
    if (options.base_url is None) != (options.model is None):
        parser.error("--base-url and --model go together")
    if options.json is not None and not options.json.parent.is_dir():
        parser.error(f"the folder of {options.json} does not exist")
    return options


def _plan(options: argparse.Namespace) -> Plan:
    slices = _CPU_SLICES if platform.mlx_device() == "cpu" else _GPU_SLICES
    if options.folder is not None:
        return Plan(
            rounds=options.rounds,
            requests_per_client=_FOLDER_REQUESTS_PER_CLIENT,
            max_tokens=_MAX_TOKENS,
        )
    if not options.quick:
        return Plan(
            rounds=options.rounds,
            requests_per_client=_REQUESTS_PER_CLIENT,
            max_tokens=_MAX_TOKENS,
            prefill_slices=slices,
        )
    return Plan(
        rounds=1,
        requests_per_client=_QUICK_REQUESTS_PER_CLIENT,
        max_tokens=_MAX_TOKENS,
        prefixes=1,
        single_requests=8,
        prefill_slices=slices[2:3],
        rest_s=1.0,
    )


def _stop_tokens(folder: Path) -> list[int]:
    """Return the tokens that end the answers of a folder's model."""
    from bodega.backends.lm.files import inspect
    from bodega.config import LoadParameters

    return sorted(inspect(folder, LoadParameters(model_path=str(folder))).stop_tokens)


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in NAMES:
            raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(NAMES)}")
    return names


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number from 1 up is wanted")
    return int(text)


@contextmanager
def _target(options: argparse.Namespace, folder: Path, plan: Plan) -> Iterator[Target]:
    if options.base_url is not None:
        yield Target(base_url=options.base_url, model=options.model)
        return
    _tell("starting the server")
    with running_server(folder, max_concurrency=max(plan.requests_per_client)) as server:
        yield Target(base_url=server.base_url, model="current", pid=server.pid)


def _end_orderly() -> None:
    """Make signals end the program as Ctrl-C does: what it started is ended too."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, end)


def _print(rounds: list[Round]) -> None:
    print(report.table(rounds), report.notes(rounds), sep="\n\n")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
