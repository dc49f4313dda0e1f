"""An imported GGUF file is the same model as in mlx-lm's own form, whatever its architecture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodega.backends.lm.gguf import import_gguf, plan_import, weights
from tests.gguf.loaded import logits, widened_logits
from tests.gguf.tiny_models import CASES, TinyModel, tiny_model
from tests.gguf.writer import stored


def _imported(model: TinyModel, tmp_path: Path, quantize: str | None = None) -> Path:
    import_gguf(model.write(tmp_path / "tiny.gguf"), tmp_path / "tiny", quantize)
    return tmp_path / "tiny"


def _config(folder: Path) -> Any:
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CASES)
def test_plain_weights_give_exactly_the_same_logits(tmp_path: Path, name: str) -> None:
    model = tiny_model(name)
    folder = _imported(model, tmp_path)
    np.testing.assert_array_equal(logits(folder), model.logits())
    assert "quantization" not in _config(folder)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("kind", "dtype"), [("F16", "float16"), ("BF16", "bfloat16")])
def test_16_bit_weights_give_exactly_the_same_logits(
    tmp_path: Path, name: str, kind: str, dtype: str
) -> None:
    model = tiny_model(name, kinds={"": kind})
    # An architecture whose activations need the wider range is never kept in float16.
    dtype = "bfloat16" if name in ("gemma3", "gpt-oss") else dtype
    folder = _imported(model, tmp_path)
    np.testing.assert_array_equal(logits(folder), model.logits(dtype=dtype))
    assert _config(folder)["torch_dtype"] == dtype


@pytest.mark.parametrize("name", CASES)
def test_quantized_weights_give_the_logits_of_what_the_file_holds(
    tmp_path: Path, name: str
) -> None:
    # As real files are: a mix, embedding and output in more bits.
    kinds = {"token_embd": "Q8_0", "attn_v": "Q5_1", "output.": "Q8_0", "": "Q4_0"}
    model = tiny_model(name, kinds=kinds)
    folder = _imported(model, tmp_path)
    expected, found = model.logits(), widened_logits(folder)
    if name in ("gemma3", "gpt-oss"):
        # Scales are rounded to bfloat16 there.
        assert np.abs(found - expected).mean() < 0.02 * np.abs(expected).mean()
    else:
        np.testing.assert_allclose(found, expected, atol=1e-5)
    # The loader rounds what codes stand for to the 16 bits of their scales.
    assert np.abs(logits(folder) - expected).mean() < 0.02 * np.abs(expected).mean()


def test_the_order_of_query_and_key_rows_matters_to_these_comparisons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("llama")
    monkeypatch.setattr(weights, "in_halves", lambda rows, heads: rows)
    assert np.abs(logits(_imported(model, tmp_path)) - model.logits()).max() > 0.1


def test_the_configuration_tells_what_the_file_does(tmp_path: Path) -> None:
    config = _config(_imported(tiny_model("llama"), tmp_path))
    assert config["rms_norm_eps"] == 1e-05
    assert config["rope_theta"] == 50_000.0
    assert config["max_position_embeddings"] == 512
    assert config["tie_word_embeddings"] is True
    assert "rope_scaling" not in config


@pytest.mark.parametrize(
    ("name", "metadata", "scaling"),
    [
        (
            "llama",
            {"type": "linear", "factor": 4.0},
            {"type": "linear", "factor": 4.0},
        ),
        (
            "qwen3",
            {"type": "yarn", "factor": 4.0, "original_context_length": 128},
            {
                "type": "yarn",
                "factor": 4.0,
                "original_max_position_embeddings": 128,
                "beta_fast": 32.0,
                "beta_slow": 1.0,
            },
        ),
    ],
)
def test_stretched_positions_are_kept(
    tmp_path: Path, name: str, metadata: dict[str, Any], scaling: dict[str, Any]
) -> None:
    made = tiny_model(name, rope_scaling=scaling)
    model = made.changed(**{f"{name}__rope__scaling__{key}": v for key, v in metadata.items()})
    folder = _imported(model, tmp_path)
    assert _config(folder)["rope_scaling"] == scaling
    np.testing.assert_array_equal(logits(folder), model.logits())


def test_a_factor_alone_stretches_linearly(tmp_path: Path) -> None:
    for key in ("rope__scale_linear", "rope__scaling__factor"):
        model = tiny_model("llama").changed(**{f"llama__{key}": 2.0})
        config = _config(_imported(model, tmp_path / key))
        assert config["rope_scaling"] == {"type": "linear", "factor": 2.0}


def test_a_gemma_without_a_window_sees_everything(tmp_path: Path) -> None:
    made = tiny_model("gemma3", sliding_window=512, sliding_window_pattern=1)
    model = made.changed(gemma3__attention__sliding_window=None)
    folder = _imported(model, tmp_path)
    np.testing.assert_array_equal(logits(folder), model.logits())


def _llama3_table(factor: float, base: float, head: int, context: int) -> np.ndarray:
    # As the converters of such models write it.
    table = []
    for frequency in 1.0 / base ** (np.arange(0, head, 2) / head):
        length = 2 * np.pi / frequency
        if length < context / 4:
            table.append(1.0)
        elif length > context:
            table.append(factor)
        else:
            smooth = (context / length - 1) / 3
            table.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(table, dtype=np.float32)


@pytest.mark.parametrize("context", [8_192, 4_096])
def test_the_rule_behind_a_table_of_llama_3_is_found_again(tmp_path: Path, context: int) -> None:
    table = stored("F32", _llama3_table(8.0, 50_000.0, 16, context))
    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": context,
    }
    made = tiny_model("llama", rope_scaling=scaling)
    model = made.with_extra({"rope_freqs.weight": table})
    folder = _imported(model, tmp_path)
    assert _config(folder)["rope_scaling"] == scaling
    np.testing.assert_array_equal(logits(folder), model.logits())


def test_the_tables_of_long_phi_models_are_kept(tmp_path: Path) -> None:
    long, short = [1.0, 1.5, 2.25, 4.0, 8.0, 16.0], [1.0, 1.0, 1.0, 1.25, 1.5, 2.0]
    made = tiny_model(
        "phi3",
        original_max_position_embeddings=128,
        rope_scaling={"type": "longrope", "long_factor": long, "short_factor": short},
    )
    model = made.changed(phi3__rope__scaling__original_context_length=128).with_extra(
        {
            "rope_factors_long.weight": stored("F32", np.array(long)),
            "rope_factors_short.weight": stored("F32", np.array(short)),
        }
    )
    folder = _imported(model, tmp_path)
    np.testing.assert_array_equal(logits(folder), model.logits())


def test_the_largest_gemma_scales_attention_by_its_hidden_size(tmp_path: Path) -> None:
    model = tiny_model("gemma3", num_hidden_layers=62).changed(gemma3__block_count=62)
    plan = plan_import(model.write(tmp_path / "tiny.gguf"))
    assert plan.config["query_pre_attn_scalar"] == 64 // 4


@pytest.mark.parametrize(
    ("quantize", "way"),
    [
        ("4", {"group_size": 64, "bits": 4, "mode": "affine"}),
        ("8", {"group_size": 64, "bits": 8, "mode": "affine"}),
        ("mxfp4", {"group_size": 32, "bits": 4, "mode": "mxfp4"}),
    ],
)
@pytest.mark.parametrize("name", ["llama", "qwen3moe", "gemma3"])
def test_weights_are_quantized_anew_on_request(
    tmp_path: Path, name: str, quantize: str, way: dict[str, Any]
) -> None:
    sizes = {"hidden": 64, "feed_forward": 128}
    model = tiny_model(name, kinds={"": "F16"}, sizes=sizes)
    folder = _imported(model, tmp_path, quantize)
    quantization = _config(folder)["quantization"]
    assert {key: quantization[key] for key in way} == way
    router = quantization.get("model.layers.0.mlp.gate")
    few_bits = name == "qwen3moe" and quantize != "8"
    assert router == ({"group_size": 64, "bits": 8, "mode": "affine"} if few_bits else None)
    difference = np.abs(logits(folder) - model.logits()).mean() / np.abs(model.logits()).mean()
    assert difference < (0.05 if quantize == "8" else 0.7)


def test_none_means_16_bit_numbers(tmp_path: Path) -> None:
    model = tiny_model("llama", kinds={"": "Q4_0"})
    folder = _imported(model, tmp_path, "none")
    assert "quantization" not in _config(folder)
    np.testing.assert_array_equal(logits(folder), model.logits(dtype="float16"))


def test_the_estimate_is_a_little_more_than_what_the_result_takes(tmp_path: Path) -> None:
    from bodega.backends.registry import estimate_import_bytes

    for quantize in (None, "none", "4", "8", "mxfp4"):
        sizes = {"hidden": 256, "feed_forward": 512}
        model = tiny_model("llama", kinds={"": "Q4_0"}, sizes=sizes)
        folder = _imported(model, tmp_path / str(quantize), quantize)
        size = sum(file.stat().st_size for file in folder.iterdir())
        estimate = estimate_import_bytes(tmp_path / str(quantize) / "tiny.gguf", quantize=quantize)
        assert size < estimate < size + 2_000_000
