"""What starting waits for: time itself is no measure on a busy machine, what is imported is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.program import program

HEAVY = {"aiohttp", "grpc", "mlx", "mlx_lm", "numpy", "tokenizers", "transformers"}
OF_COMMANDS = {"bodega_api", "google", "huggingface_hub", "prompt_toolkit", "rich"}
OF_MODELS = {"mlx_lm", "tokenizers", "transformers"}
IMPORTED = re.compile(r"^import time: +[0-9]+ \| +[0-9]+ \| +(\S+)$", re.MULTILINE)


def imported(trace: str) -> set[str]:
    """Return the packages of an import trace."""
    return {name.partition(".")[0] for name in IMPORTED.findall(trace)}


@pytest.mark.parametrize("flags", ["--version", "--help", "pull --help", "chat --help"])
def test_version_and_help_are_told_without_what_commands_need(flags: str) -> None:
    command = (sys.executable, "-X", "importtime", "-m", "bodega", *flags.split())
    trace = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    assert "click" in imported(trace)
    assert not imported(trace) & (HEAVY | OF_COMMANDS)


def test_a_core_without_a_model_has_read_nothing_that_models_need(tmp_path: Path) -> None:
    command = ("-X", "importtime", "-m", "bodega", "core", "--port", "0", "--log-format", "json")
    with program(command, {"BODEGA_HOME": str(tmp_path)}) as core:
        core.line('"core listens"')
        trace = "\n".join(core.lines)
    assert "grpc" in imported(trace)
    assert not imported(trace) & OF_MODELS
