"""Every kind of storage: what it decodes to, and what becomes of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import mlx.core as mx
import numpy as np
import pytest

from bodega.backends.lm.gguf import import_gguf, plan_import, storage, weights
from bodega.backends.lm.gguf.quantization import KEPT
from bodega.errors import InvalidModel, InvalidRequest
from tests.gguf.loaded import logits
from tests.gguf.tiny_models import TinyModel, tiny_model
from tests.gguf.writer import random_stored

KINDS: Final = tuple(kind.name for kind in storage.KINDS.values())
SIZES: Final = {"hidden": 256, "feed_forward": 256, "head": 64}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyModel, Path]:
    """Return a model that has a matrix of every kind, and the folder it was imported to."""
    names = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    places = [f"blk.{layer}.{name}." for layer in range(4) for name in names]
    kinds = dict(zip(places, KINDS, strict=False))
    made = tiny_model("qwen3", kinds=kinds, sizes=SIZES, num_hidden_layers=4)
    model = made.changed(qwen3__block_count=4)
    folder = tmp_path_factory.mktemp("mixed")
    import_gguf(model.write(folder / "mixed.gguf"), folder / "mixed")
    return model, folder / "mixed"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_storage_is_kept_or_becomes_16_bit_numbers(
    mixed: tuple[TinyModel, Path], kind: str
) -> None:
    model, folder = mixed
    at = next(at for at, tensor in model.tensors.items() if tensor.kind == kind)
    module = model.names[at].removesuffix(".weight")
    expected = model.tensors[at].values()
    parts: Any = mx.load(str(folder / "model.safetensors"))
    config = json.loads((folder / "config.json").read_text())["quantization"]
    # BF16 is among them, so that all is kept in bfloat16.
    if kind not in KEPT:
        rounded = mx.array(expected).astype(mx.bfloat16)
        assert mx.array_equal(parts[f"{module}.weight"], rounded)
        return
    way = config.get(module, {key: config[key] for key in ("bits", "group_size", "mode")})
    assert (way["bits"], way["group_size"]) == (KEPT[kind].bits, 32)
    biases = parts.get(f"{module}.biases")
    scales = parts[f"{module}.scales"]
    found = mx.dequantize(
        parts[f"{module}.weight"],
        scales if biases is None else scales.astype(mx.float32),
        None if biases is None else biases.astype(mx.float32),
        **way,
    )
    difference = np.abs(np.array(found.astype(mx.float32)) - expected).max()
    # Only scale and bias are rounded, and those of MXFP4 are not.
    assert difference <= (0 if kind == "MXFP4" else 2**-7 * np.abs(expected).max())


def test_such_a_mixed_model_loads_and_says_what_the_file_does(
    mixed: tuple[TinyModel, Path],
) -> None:
    model, folder = mixed
    expected = model.logits()
    assert np.abs(logits(folder) - expected).mean() < 0.1 * np.abs(expected).mean()


@pytest.mark.parametrize("kind", KEPT)
def test_codes_that_mlx_has_too_stand_for_exactly_the_same_numbers(kind: str) -> None:
    from bodega.backends.lm.gguf.packing import pack

    block = next(known for known in storage.KINDS.values() if known.name == kind)
    tensor = random_stored(kind, (32, 512), np.random.default_rng(7))
    rows = np.frombuffer(tensor.data, dtype=np.uint8).reshape(32, -1)
    packed = pack(rows, block)
    biases = None if packed.biases is None else mx.array(packed.biases)
    found = mx.dequantize(
        mx.array(packed.words), mx.array(packed.scales), biases, **KEPT[kind].config()
    )
    np.testing.assert_array_equal(np.array(found.astype(mx.float32)), tensor.values())


def _half(block: bytes, at: int) -> float:
    return float(np.frombuffer(block[at : at + 2], dtype="<f2")[0])


def _k_scale(block: bytes, group: int) -> tuple[int, int]:
    packed = block[4:16]
    if group < 4:
        return packed[group] & 63, packed[group + 4] & 63
    low = packed[group + 4]
    return (
        low & 15 | packed[group - 4] >> 6 << 4,
        low >> 4 | packed[group] >> 6 << 4,
    )


def _q4_k(block: bytes, at: int) -> float:
    group, place = divmod(at, 32)
    code = block[16 + group // 2 * 32 + place] >> 4 * (group % 2) & 15
    scale, least = _k_scale(block, group)
    return _half(block, 0) * scale * code - _half(block, 2) * least


def _q5_k(block: bytes, at: int) -> float:
    group, place = divmod(at, 32)
    code = block[48 + group // 2 * 32 + place] >> 4 * (group % 2) & 15
    code |= (block[16 + place] >> group & 1) << 4
    scale, least = _k_scale(block, group)
    return _half(block, 0) * scale * code - _half(block, 2) * least


def _q6_k(block: bytes, at: int) -> float:
    half, rest = divmod(at, 128)
    quarter, place = divmod(rest, 32)
    low = block[64 * half + 32 * (quarter % 2) + place] >> 4 * (quarter // 2) & 15
    high = block[128 + 32 * half + place] >> 2 * quarter & 3
    scale = int(np.int8(np.uint8(block[192 + at // 16])))
    return _half(block, 208) * scale * ((low | high << 4) - 32)


def _q2_k(block: bytes, at: int) -> float:
    half, rest = divmod(at, 128)
    quarter, place = divmod(rest, 32)
    code = block[16 + 32 * half + place] >> 2 * quarter & 3
    packed = block[at // 16]
    return _half(block, 80) * (packed & 15) * code - _half(block, 82) * (packed >> 4)


def _q3_k(block: bytes, at: int) -> float:
    half, rest = divmod(at, 128)
    quarter, place = divmod(rest, 32)
    code = block[32 + 32 * half + place] >> 2 * quarter & 3
    code -= 0 if block[place] >> 4 * half + quarter & 1 else 4
    group, packed = at // 16, block[96:108]
    scale = (packed[group % 8] >> 4 * (group // 8) & 15) | (
        packed[8 + group % 4] >> 2 * (group // 4) & 3
    ) << 4
    return _half(block, 108) * (scale - 32) * code


_NONLINEAR: Final = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)


def _iq4_nl(block: bytes, at: int) -> float:
    return _half(block, 0) * _NONLINEAR[block[2 + at % 16] >> 4 * (at // 16) & 15]


def _iq4_xs(block: bytes, at: int) -> float:
    group, place = divmod(at, 32)
    low = block[4 + group // 2] >> 4 * (group % 2) & 15
    high = int.from_bytes(block[2:4], "little") >> 2 * group & 3
    code = block[8 + 16 * group + place % 16] >> 4 * (place // 16) & 15
    return _half(block, 0) * ((low | high << 4) - 32) * _NONLINEAR[code]


@pytest.mark.parametrize(
    ("kind", "one"),
    [
        ("Q2_K", _q2_k),
        ("Q3_K", _q3_k),
        ("Q4_K", _q4_k),
        ("Q5_K", _q5_k),
        ("Q6_K", _q6_k),
        ("IQ4_NL", _iq4_nl),
        ("IQ4_XS", _iq4_xs),
    ],
)
def test_blocks_decode_as_their_description_says(
    kind: str, one: Callable[[bytes, int], float]
) -> None:
    block = next(known for known in storage.KINDS.values() if known.name == kind)
    tensor = random_stored(kind, (3, 256), np.random.default_rng(13))
    rows = np.frombuffer(tensor.data, dtype=np.uint8).reshape(3, -1)
    found = storage.decode(rows, block).reshape(-1, block.block_weights)
    blocks = [bytes(data) for data in rows.reshape(-1, block.block_bytes)]
    expected = [[one(data, at) for at in range(block.block_weights)] for data in blocks]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_tensor_read_in_many_pieces_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("llama", kinds={"": "Q8_0"})
    import_gguf(model.write(tmp_path / "a.gguf"), tmp_path / "whole")
    monkeypatch.setattr(weights, "PIECE_WEIGHTS", 1_000)
    monkeypatch.setattr(weights, "FILE_BYTES", 20_000)
    import_gguf(tmp_path / "a.gguf", tmp_path / "pieces")
    whole: Any = mx.load(str(tmp_path / "whole" / "model.safetensors"))
    index = json.loads((tmp_path / "pieces" / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == whole.keys()
    assert len(set(index["weight_map"].values())) > 2
    for name, file in index["weight_map"].items():
        part: Any = mx.load(str(tmp_path / "pieces" / file))
        assert mx.array_equal(part[name], whole[name])
    np.testing.assert_array_equal(logits(tmp_path / "pieces"), logits(tmp_path / "whole"))


def test_weights_that_are_no_numbers_are_damage(tmp_path: Path) -> None:
    for kind in ("F32", "F16", "Q8_0", "Q4_K", "Q6_K"):
        model = tiny_model("llama", kinds={"": kind}, sizes=SIZES)
        file = model.write(tmp_path / f"{kind}.gguf")
        content = bytearray(file.read_bytes())
        content[-4096:] = b"\xff" * 4096
        file.write_bytes(content)
        with pytest.raises(InvalidModel, match="not finite"):
            import_gguf(file, tmp_path / kind)
        assert not (tmp_path / kind).exists()


def test_what_is_made_larger_is_said(tmp_path: Path) -> None:
    model = tiny_model("llama", kinds={"ffn_down": "Q6_K", "": "Q4_K"}, sizes=SIZES)
    plan = plan_import(model.write(tmp_path / "m.gguf"))
    assert "Q6_K: 2 tensors of the file are kept as float16" in plan.warnings[0]
    assert "Q4_K weights are rounded" in plan.warnings[1]
    assert plan_import(tmp_path / "m.gguf", "8").warnings == ()
    assert plan_import(tmp_path / "m.gguf", "none").warnings == ()
    exact = tiny_model("llama", kinds={"token_embd": "F16", "": "Q4_0"})
    assert plan_import(exact.write(tmp_path / "e.gguf")).warnings == ()
    again, uneven = plan_import(tmp_path / "e.gguf", "4").warnings
    assert "Q4_0 weights are quantized to 4 bits already" in again
    assert "2 tensors are kept as float16: their rows cannot be divided" in uneven


def test_an_unknown_quantization_is_named_with_those_that_are_known(tmp_path: Path) -> None:
    file = tiny_model("llama").write(tmp_path / "m.gguf")
    with pytest.raises(InvalidRequest, match="none, 4, 8, mxfp4"):
        plan_import(file, "3")
