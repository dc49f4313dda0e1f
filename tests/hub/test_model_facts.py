"""What the files of a model tell of it."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bodega.hub.model_facts import ModelFacts, read_facts
from tests.hub.models import safetensors

LM = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": 100}


def facts(folder: Path, config: Any, files: Mapping[str, bytes] | None = None) -> ModelFacts:
    """Return the facts of a folder with these files."""
    for name, content in (files or {}).items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(content)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return read_facts(folder)


@pytest.mark.parametrize(
    ("config", "files", "kind"),
    [
        (LM, (), "lm"),
        ({"model_type": "qwen3", "vocab_size": 9}, (), "lm"),
        ({"architectures": ["GPT2LMHeadModel"]}, (), "lm"),
        ({**LM, "vision_config": {"depth": 1}}, (), "multimodal"),
        ({"architectures": ["X"], "audio_config": {"a": 1}}, (), "multimodal"),
        ({**LM, "vision_config": None}, (), "lm"),
        (LM, ("modules.json",), "embeddings"),
        ({"model_type": "bert", "architectures": ["BertModel"]}, (), "embeddings"),
        ({"model_type": "whisper", "architectures": ["WhisperX"]}, (), "whisper"),
        ({"n_mels": 80}, (), "whisper"),
        (None, ("model_index.json",), "image-generation"),
        (None, ("transformer/0.safetensors", "vae/0.safetensors"), "image-generation"),
        ({"architectures": ["ViTForImageClassification"]}, (), None),
        ({"model_type": "unheard-of"}, (), None),
        ([], (), None),
        (None, (), None),
    ],
)
def test_the_kind_of_model(
    tmp_path: Path, config: Any, files: Sequence[str], kind: str | None
) -> None:
    assert facts(tmp_path, config, dict.fromkeys(files, b"")).type == kind


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"quantization": {"group_size": 64, "bits": 4}}, "4-bit"),
        ({"quantization": {"group_size": 64, "bits": 8, "mode": "affine"}}, "8-bit"),
        ({"quantization": {"group_size": 32, "bits": 4, "mode": "mxfp4"}}, "mxfp4"),
        ({"quantization_config": {"quant_method": "mxfp4"}}, "mxfp4"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "4-bit"),
        ({"quantization_config": {"quant_method": "fp8"}}, "fp8"),
        ({"quantization_config": {"load_in_4bit": True}}, "4-bit"),
        ({"quantization": {"bits": "four"}}, None),
        ({"quantization": 4}, None),
        ({}, None),
    ],
)
def test_how_it_is_quantized(tmp_path: Path, given: Any, told: str | None) -> None:
    assert facts(tmp_path, {**LM, **given}).quantization == told


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"max_position_embeddings": 40960}, 40960),
        ({"text_config": {"max_position_embeddings": 4096}}, 4096),
        ({"n_positions": 1024}, 1024),
        ({"max_position_embeddings": 2**40}, None),
        ({"max_position_embeddings": "many"}, None),
        ({"max_position_embeddings": -1}, None),
        ({}, None),
    ],
)
def test_how_long_conversations_may_be(tmp_path: Path, given: Any, told: int | None) -> None:
    assert facts(tmp_path, {**LM, **given}).context_length == told


def test_plain_weights_are_counted_in_all_files(tmp_path: Path) -> None:
    first = safetensors({"a.weight": ("BF16", [1000, 10]), "a.bias": ("BF16", [1000])})
    second = safetensors({"b.weight": ("F32", [7]), "scalar": ("F32", [])})
    files = {"model-1.safetensors": first, "model-2.safetensors": second}
    assert facts(tmp_path, LM, files).parameters == 10_000 + 1000 + 7 + 1


def test_packed_weights_are_counted_singly(tmp_path: Path) -> None:
    weights = safetensors(
        {
            "a.weight": ("U32", [64, 16]),  # 64 x 128 of 4 bits
            "a.scales": ("BF16", [64, 2]),
            "a.biases": ("BF16", [64, 2]),
            "b.weight": ("U32", [64, 32]),  # 64 x 128 of 8 bits
            "b.scales": ("BF16", [64, 2]),
            "b.biases": ("BF16", [64, 2]),
            "norm.weight": ("BF16", [128]),
        }
    )
    own = {"group_size": 64, "bits": 8}
    config = {**LM, "quantization": {"group_size": 64, "bits": 4, "b": own}}
    found = facts(tmp_path, config, {"model.safetensors": weights})
    assert found.parameters == 2 * 64 * 128 + 128


def test_other_packings_are_counted_singly_too(tmp_path: Path) -> None:
    weights = safetensors(
        {
            "a.qweight": ("I32", [16, 64]),
            "a.qzeros": ("I32", [1, 8]),
            "a.scales": ("F16", [1, 64]),
            "a.g_idx": ("I32", [128]),
            "e_blocks": ("U8", [2, 3, 16]),
            "e_scales": ("U8", [2, 3]),
            "f.weight": ("F8_E4M3", [8, 8]),
            "f.weight_scale_inv": ("F32", [1, 1]),
        }
    )
    config = {**LM, "quantization_config": {"quant_method": "gptq", "bits": 4}}
    found = facts(tmp_path, config, {"model.safetensors": weights})
    assert found.parameters == 16 * 64 * 8 + 2 * 3 * 32 + 64


def test_the_index_may_say_how_many_there_are(tmp_path: Path) -> None:
    index = {"metadata": {"total_parameters": 8_190_735_360}, "weight_map": {"a": "b"}}
    files = {"model.safetensors.index.json": json.dumps(index).encode()}
    assert facts(tmp_path, LM, files).parameters == 8_190_735_360


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        b"\x05\0\0\0\0\0\0\0[1,2]",
        b"\x02\0\0\0\0\0\0\0{",
        safetensors({"a": ("U32", [1])})[:-3],
        b'\x0d\0\0\0\0\0\0\0{"a": "wrong"}'[:21],
        b'\x09\0\0\0\0\0\0\0{"a": {}}',
    ],
)
def test_damaged_headers_tell_nothing(tmp_path: Path, content: bytes) -> None:
    assert facts(tmp_path, LM, {"model.safetensors": content}).parameters is None


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[" * 100_000, b'{"model_type": 5}'])
def test_a_damaged_config_tells_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    assert read_facts(tmp_path) == ModelFacts()


def test_what_changes_is_read_again(tmp_path: Path) -> None:
    assert facts(tmp_path, LM).context_length is None
    (tmp_path / "config.json").write_text(json.dumps({**LM, "n_positions": 5}))
    os.utime(tmp_path / "config.json", (1, 1))
    assert read_facts(tmp_path).context_length == 5


def test_a_folder_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    assert read_facts(tmp_path / "nowhere") == ModelFacts()
