"""What a model's folder says of it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bodega.backends.lm.files import inspect
from bodega.config import LoadParameters
from tests.models import TINY_CHAT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "model"
    shutil.copytree(TINY_CHAT, copy)
    return copy


def stop_tokens(folder: Path) -> frozenset[int]:
    return inspect(folder, LoadParameters(model_path=str(folder))).stop_tokens


def change(file: Path, **values: Any) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**content, **values}))


def test_all_files_may_name_tokens_that_end_an_answer(folder: Path) -> None:
    own = stop_tokens(folder)
    change(folder / "generation_config.json", eos_token_id=[7, 8])
    change(folder / "config.json", eos_token_id=9, text_config={"eos_token_id": 10})
    assert stop_tokens(folder) >= {7, 8, 9, 10}
    assert own


@pytest.mark.parametrize("odd", [None, True, "x", [None, [1], "y", 7], {}])
def test_what_is_no_token_id_ends_nothing(folder: Path, odd: Any) -> None:
    change(folder / "config.json", eos_token_id=odd)
    assert all(type(token) is int for token in stop_tokens(folder))
