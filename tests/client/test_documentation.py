"""The examples of the Python client's page run as they are written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.conftest import TOKEN
from tests.end_to_end.server import Server
from tests.hub.played_hub import PlayedHub
from tests.models import TINY_CHAT

PAGE = Path(__file__).parents[2] / "docs" / "client.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
MODEL = "mlx-community/Qwen3-0.6B-4bit"
SAID = ("Paris.", "stop", "100 %", "Paris.", "model_not_found")
"""What each prints, among other things."""


@pytest.mark.parametrize(("example", "said"), list(zip(EXAMPLES, SAID, strict=True)))
def test_an_example_runs_as_it_is_written(
    hub: PlayedHub, server: Server, monkeypatch: pytest.MonkeyPatch, example: str, said: str
) -> None:
    files = {file.name: file.read_bytes() for file in TINY_CHAT.iterdir() if file.is_file()}
    hub.add_model(MODEL, files)
    monkeypatch.setenv("BODEGA_CORE", server.grpc)
    monkeypatch.setenv("BODEGA_TOKEN", TOKEN)
    done = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    assert said in done.stdout
