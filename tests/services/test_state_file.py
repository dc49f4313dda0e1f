"""What one core leaves for the next: which model was loaded, and how often that went wrong."""

import json
from pathlib import Path

import pytest

from bodega.config import LoadParameters
from bodega.services.state_file import StateFile

MODEL = LoadParameters(
    model_path="some/model",
    model_id="mine",
    context_length=2000,
    reasoning_parser="auto",
    lora_paths=("a", "b"),
    lora_scales=(0.5, 1.0),
)
OTHER = LoadParameters(model_path="other/model")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file goes."""
    return tmp_path / "state.json"


def test_without_a_file_the_model_asked_for_is_loaded(path: Path) -> None:
    assert StateFile(path).revive(None).load is None
    assert StateFile(path).revive(MODEL).load == MODEL


def test_what_was_loaded_is_loaded_again_whatever_is_asked_for(path: Path) -> None:
    StateFile(path).remember(MODEL)
    assert StateFile(path).revive(OTHER).load == MODEL


def test_what_was_forgotten_is_not_loaded_again(path: Path) -> None:
    file = StateFile(path)
    file.remember(MODEL)
    file.forget()
    assert not path.exists()
    assert StateFile(path).revive(None).load is None


def test_the_third_death_in_a_row_leaves_the_model_out_and_says_why(path: Path) -> None:
    for _ in range(3):
        assert StateFile(path).revive(MODEL).load == MODEL
    revival = StateFile(path).revive(MODEL)
    assert revival.load is None
    assert revival.reason is not None
    assert "some/model" in revival.reason
    assert "3 times in a row" in revival.reason
    assert not path.exists()


def test_a_death_after_an_ordinary_load_counts_too(path: Path) -> None:
    StateFile(path).remember(MODEL)
    for _ in range(2):
        next_core = StateFile(path)
        assert next_core.revive(None).load == MODEL
        next_core.remember(MODEL)
    assert StateFile(path).revive(None).load is None


def test_a_model_that_has_shown_its_worth_starts_the_count_anew(path: Path) -> None:
    for _ in range(10):
        core = StateFile(path)
        assert core.revive(MODEL).load == MODEL
        core.remember(MODEL)
        core.prove()


def test_another_model_starts_the_count_anew(path: Path) -> None:
    for _ in range(2):
        core = StateFile(path)
        core.revive(MODEL)
    core.remember(OTHER)
    for _ in range(2):
        assert StateFile(path).revive(None).load == OTHER
    assert StateFile(path).revive(None).load is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"load": {}, "unproven": 1}',
        b'{"load": {"model_path": "m", "no": 1}, "unproven": 1}',
        b'{"load": {"model_path": "m"}, "unproven": "often"}',
    ],
)
def test_a_file_that_cannot_be_read_is_passed_over(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert StateFile(path).revive(MODEL).load == MODEL


def test_a_file_that_cannot_be_written_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = StateFile(tmp_path / "none" / "state.json")
    file.remember(MODEL)
    file.prove()
    assert "cannot be written" in caplog.text


def test_the_file_is_replaced_whole_and_is_the_users_alone(path: Path) -> None:
    file = StateFile(path)
    file.remember(MODEL)
    file.remember(OTHER)
    assert json.loads(path.read_text())["load"]["model_path"] == "other/model"
    assert [one.name for one in path.parent.iterdir()] == ["state.json"]
    assert path.stat().st_mode & 0o077 == 0


def test_without_a_path_nothing_is_kept() -> None:
    file = StateFile(None)
    assert file.revive(MODEL).load == MODEL
    file.remember(MODEL)
    file.forget()
    assert StateFile(None).revive(None).load is None
