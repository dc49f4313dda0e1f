"""A model that aborts, hangs or slows down while a file says so, as a fault of the device would.

It is the tiny chat model with code of its own, so the server must allow remote code.
"""

import json
import shutil
from pathlib import Path

from tests.models import TINY_CHAT

_CODE = """
import os
import time
from pathlib import Path

from bodega.engine import text_loop
from mlx_lm.models.qwen3 import Model as Qwen3, ModelArgs, Qwen3Model

# So that a hang shows soon.
text_loop.STEP_LIMIT_S = 1.0
TRAP = Path({trap!r})

class TrappedBody(Qwen3Model):
    def __call__(self, *arguments, **named):
        trap = TRAP.read_text() if TRAP.exists() else ""
        if trap == "abort":
            os.abort()
        if trap == "hang":
            time.sleep(3600)
        if trap == "crawl":
            time.sleep(0.3)
        return super().__call__(*arguments, **named)

class Model(Qwen3):
    def __init__(self, args):
        super().__init__(args)
        self.model = TrappedBody(args)
"""


class TrappedModel:
    """The model's folder and its trap.

    Attributes:
        folder: what to load.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "trapped"
        self._trap = folder / "trap"
        shutil.copytree(TINY_CHAT, self.folder)
        config = json.loads((self.folder / "config.json").read_text())
        (self.folder / "config.json").write_text(json.dumps({**config, "model_file": "code.py"}))
        (self.folder / "code.py").write_text(_CODE.format(trap=str(self._trap)))

    def set(self, what: str) -> None:
        """Have the model ``abort``, ``hang`` or ``crawl`` whenever it computes."""
        self._trap.write_text(what)

    def unset(self) -> None:
        """Have the model compute again."""
        self._trap.unlink()
