"""What the hub says of the models that are here."""

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from bodega.errors import HubFailed, HubOffline
from bodega.hub.catalog import list_models
from bodega.hub.download import Download
from bodega.hub.verification import Verified, verify_with_hub
from tests.hub.cache import add_model
from tests.hub.models import CONFIG, MODEL, SMALL, WEIGHTS
from tests.hub.played_hub import PlayedHub


def _only() -> Verified:
    (verified,) = verify_with_hub(list_models())
    return verified


def test_a_model_that_is_as_the_hub_has_it(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    Download("org/one").run()
    verified = _only()
    assert (verified.model.percent, verified.model.is_complete) == (100.0, True)
    assert (verified.is_on_hub, verified.is_newest, verified.missing) == (True, True, ())


def test_a_file_of_another_size_is_found(hub: PlayedHub, cache: Path) -> None:
    commit = hub.add_model("org/one", MODEL)
    add_model(cache, "org/one", {**MODEL, "model.safetensors": WEIGHTS[:-1]}, commit=commit)
    assert list_models()[0].is_complete
    verified = _only()
    assert not verified.model.is_complete
    assert verified.model.percent < 1.0
    assert verified.missing == ("model.safetensors",)


def test_a_file_that_is_missing_is_found_and_counted(hub: PlayedHub, cache: Path) -> None:
    more = {"model-2.safetensors": WEIGHTS, "model-1.safetensors": WEIGHTS[::-1]}
    commit = hub.add_model("org/one", {**SMALL, **more})
    add_model(cache, "org/one", {**SMALL, "model-2.safetensors": WEIGHTS}, commit=commit)
    assert list_models()[0].is_complete
    verified = _only()
    assert verified.missing == ("model-1.safetensors",)
    assert 50.0 <= verified.model.percent < 51.0


def test_a_revision_that_is_not_the_newest_is_told(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    Download("org/one").run()
    hub.add_model("org/one", {**MODEL, "config.json": b'{"newer": 1}'})
    verified = _only()
    assert verified.model.is_complete
    assert not verified.is_newest


def test_a_model_under_another_name_is_compared_with_its_own_repository(
    hub: PlayedHub, cache: Path
) -> None:
    hub.add_model("org/one", MODEL)
    hub.add_model("gpt2", {**MODEL, "model.safetensors": b"another"})
    Download("org/one").run()
    (model,) = list_models()
    (verified,) = verify_with_hub([replace(model, id="gpt2")])
    assert (verified.model.id, verified.model.is_complete) == ("gpt2", True)


def test_a_model_of_which_nothing_is_here_yet_is_on_the_hub(hub: PlayedHub, cache: Path) -> None:
    hub.add_model("org/one", MODEL)
    (cache / "models--org--one").mkdir()
    verified = _only()
    assert (verified.is_on_hub, verified.is_newest) == (True, False)
    assert verified.model.percent == 0.0


def test_a_revision_that_the_hub_forgot_is_compared_with_the_newest(
    hub: PlayedHub, cache: Path
) -> None:
    hub.add_model("org/one", MODEL)
    add_model(cache, "org/one", MODEL)
    verified = _only()
    assert (verified.model.is_complete, verified.is_newest) == (True, False)


def test_models_that_the_hub_has_not_are_left_as_they_are(
    hub: PlayedHub, cache: Path, tmp_path: Path
) -> None:
    add_model(cache, "org/own", {"config.json": CONFIG, "model.safetensors": b"w"})
    folder = tmp_path / "bodega" / "models" / "mine"
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(CONFIG)
    hub.add_model("org/one", MODEL, gated=True)
    add_model(cache, "org/one", MODEL)
    models = list_models(tmp_path / "bodega")
    verified = verify_with_hub(models)
    assert [one.model.id for one in verified] == ["mine", "org/one", "org/own"]
    assert [one.is_on_hub for one in verified] == [False, True, False]
    assert [one.model.is_complete for one in verified] == [False, True, True]


def test_a_hub_that_cannot_be_asked_is_told(
    hub: PlayedHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        add_model(cache, f"org/model-{number}", {"config.json": CONFIG, "model.safetensors": b"w"})
    hub.faults.fail("/api/models", times=999, status=503)
    with pytest.raises(HubFailed):
        verify_with_hub(list_models())
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubOffline):
        verify_with_hub(list_models())
