"""Adapters change the model as those of mlx-lm do, add up, and are refused by their headers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx_lm.tuner.utils import linear_to_lora_layers, load_adapters
from mlx_lm.utils import load_model

from bodega.backends.lm.adapters import apply_adapters, check_adapters, read_adapter
from bodega.errors import InvalidAdapter
from tests.models import TINY_CHAT, family_model
from tests.models.adapters import write_adapter

TOKENS = mx.array([[5, 9, 200, 31, 77]])
KEYS = ["self_attn.q_proj", "mlp.down_proj"]
EXPERT_KEYS = ["mlp.switch_mlp.up_proj", "mlp.switch_mlp.down_proj", "model.embed_tokens"]


def random_adapter(
    model_folder: Path, folder: Path, keys: list[str], *, seed: int = 3, rank: int = 4
) -> Path:
    model = load_model(model_folder)[0]
    parameters = {"rank": rank, "scale": 2.0, "dropout": 0.0, "keys": keys}
    linear_to_lora_layers(model, 2, parameters)
    mx.random.seed(seed)
    arrays = {
        name: 0.1 * mx.random.normal(value.shape)
        for name, value in _flat(model)
        if name.endswith(("lora_a", "lora_b"))
    }
    write_adapter(folder, arrays, parameters, layers=2)
    return folder


def _flat(model: nn.Module) -> list[tuple[str, mx.array]]:
    from mlx.utils import tree_flatten

    return list(tree_flatten(model.parameters()))  # type: ignore[arg-type]


def adapted(model_folder: Path, *adapters: tuple[Path, float], half: bool = False) -> np.ndarray:
    model: Any = load_model(model_folder)[0]
    if half:
        model.set_dtype(mx.float16)
    read = [read_adapter(str(folder), factor) for folder, factor in adapters]
    check_adapters(model, read)
    apply_adapters(model, read)
    return np.array(model(TOKENS).astype(mx.float32))


def by_mlx_lm(model_folder: Path, adapter: Path) -> np.ndarray:
    model: Any = load_model(model_folder)[0]
    return np.array(load_adapters(model, str(adapter))(TOKENS).astype(mx.float32))


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        (lambda: TINY_CHAT, [*KEYS, "model.embed_tokens"]),
        (lambda: family_model("qwen3_moe"), EXPERT_KEYS),
        (lambda: family_model("qwen3_mxfp4"), KEYS),
    ],
    ids=["dense", "experts", "quantized"],
)
def test_a_model_with_an_adapter_is_that_of_mlx_lm(
    tmp_path: Path, model: Callable[[], Path], keys: list[str]
) -> None:
    folder = model()
    adapter = random_adapter(folder, tmp_path / "a", keys)
    ours, theirs = adapted(folder, (adapter, 1.0)), by_mlx_lm(folder, adapter)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    assert np.abs(ours - adapted(folder)).max() > 0.1


def test_adapters_add_up_each_with_its_factor(tmp_path: Path) -> None:
    one = random_adapter(TINY_CHAT, tmp_path / "one", KEYS)
    other = random_adapter(TINY_CHAT, tmp_path / "other", KEYS[:1], seed=4, rank=7)
    both = adapted(TINY_CHAT, (one, 1.0), (other, 1.0))
    assert np.abs(both - adapted(TINY_CHAT, (one, 1.0))).max() > 0.01
    twice = adapted(TINY_CHAT, (one, 0.75), (other, 0.5), (one, 0.25), (other, 0.5))
    np.testing.assert_allclose(twice, both, rtol=1e-3, atol=1e-3)
    none = adapted(TINY_CHAT, (one, 1.0), (one, -1.0), (other, 0.0))
    np.testing.assert_allclose(none, adapted(TINY_CHAT), rtol=1e-3, atol=1e-3)


def test_weights_of_sixteen_bits_do_not_round_an_adapter_away(tmp_path: Path) -> None:
    adapter = random_adapter(TINY_CHAT, tmp_path / "a", KEYS)
    np.testing.assert_allclose(
        adapted(TINY_CHAT, (adapter, 1.0), half=True),
        adapted(TINY_CHAT, (adapter, 1.0)),
        rtol=0.02,
        atol=0.1,
    )


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _with(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)


def _with_config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def _with_arrays(**arrays: mx.array) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = str(folder / "adapters.safetensors")
        kept: Any = mx.load(path)
        mx.save_safetensors(path, {**kept, **arrays})

    return change


PLACE = "model.layers.0.self_attn.q_proj"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (shutil.rmtree, "has no adapter_config.json"),
        (_without("adapters.safetensors"), "has no adapters.safetensors"),
        (_with("adapters.safetensors", "no"), "damaged adapters.safetensors"),
        (_with("adapter_config.json", "{"), "cannot be read as JSON"),
        (_with("adapter_config.json", "[]"), "not a JSON object"),
        (_with_config(fine_tune_type="dora"), "'dora'; only lora"),
        (_with_config(lora_parameters={"rank": 4}), "no scale"),
        (_with_config(lora_parameters={"rank": 4, "scale": float("nan")}), "no scale"),
        (_with_config(lora_parameters={"rank": 4, "scale": 10**400}), "no scale"),
        (_with_config(lora_parameters={"scale": 4.0}), "no rank"),
        (_with_config(lora_parameters={"rank": 5, "scale": 4.0}), "the rank 5 need"),
        (_with_arrays(**{f"{PLACE}.lora_a": mx.zeros((63, 4))}), r"\(63, 4\), and the model"),
        (_with_arrays(**{"model.layers.9.mlp.up_proj.lora_a": mx.zeros((4, 4))}), "layers.9"),
        (_with_arrays(**{"model.norm.lora_a": mx.zeros((4, 4))}), "'model.norm'"),
        (_with_arrays(**{"model.norm.weight": mx.zeros((64,))}), "no matrix of LoRA"),
    ],
)
def test_an_adapter_that_is_not_the_models_is_refused_with_the_reason(
    tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    adapter = random_adapter(TINY_CHAT, tmp_path / "a", KEYS[:1])
    damage(adapter)
    with pytest.raises(InvalidAdapter, match=reason) as raised:
        check_adapters(load_model(TINY_CHAT, lazy=True)[0], [read_adapter(str(adapter), 1.0)])
    assert raised.value.param == "lora_paths"
    assert str(adapter) in raised.value.message


def test_the_home_of_a_user_who_is_not_known_is_no_place_for_an_adapter() -> None:
    with pytest.raises(InvalidAdapter, match="not known") as raised:
        read_adapter("~nobody-of-that-name/adapter", 1.0)
    assert raised.value.param == "lora_paths"
