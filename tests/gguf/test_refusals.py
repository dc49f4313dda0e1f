"""A GGUF file that cannot be imported is refused by name, in bounded memory."""

import random
import struct
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFReader

from bodega.backends.lm.gguf import import_gguf, plan_import, read_gguf_summary
from bodega.backends.lm.gguf.header import read_header
from bodega.errors import BodegaError, InvalidModel, UnsupportedModel
from tests.gguf.tiny_models import TinyModel, tiny_model
from tests.gguf.writer import Stored, stored, write_gguf


def _refusal(file: Path, kind: type[BodegaError]) -> str:
    with pytest.raises(kind) as caught:
        import_gguf(file, file.with_suffix(""))
    assert not file.with_suffix("").exists()
    assert str(file.parent) not in caught.value.message
    return caught.value.message


@pytest.fixture
def model() -> TinyModel:
    """Return a model that would be imported."""
    return tiny_model("llama")


def test_headers_are_read_as_the_gguf_package_reads_them(tmp_path: Path, model: TinyModel) -> None:
    file = model.write(tmp_path / "m.gguf")
    theirs = {t.name: (t.data_offset, t.n_bytes) for t in GGUFReader(file).tensors}
    ours = {name: (t.position, t.size_bytes) for name, t in read_header(file).tensors.items()}
    assert ours == theirs


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (
            {"general__architecture": "mamba"},
            ("'mamba'", "llama, qwen2, qwen3, qwen3moe, gpt-oss, gemma3, phi3"),
        ),
        ({"tokenizer__ggml__model": "t5"}, ("'t5'", "gpt2", "llama")),
        ({"tokenizer__ggml__pre": "viking"}, ("'viking'", "smollm", "llama-bpe", "qwen2")),
        ({"tokenizer__ggml__pre": None}, ("''", "smollm")),
        ({"llama__expert_count": 8, "llama__expert_used_count": 2}, ("8 experts",)),
        ({"llama__rope__scaling__type": "longrope"}, ("'longrope'", "linear", "yarn")),
        ({"llama__rope__dimension_count": 8}, ("partly turned",)),
        ({"llama__attention__value_length": 32}, ("unequal",)),
    ],
)
def test_an_unknown_kind_is_named_with_what_is_known(
    tmp_path: Path, model: TinyModel, changes: dict[str, Any], named: tuple[str, ...]
) -> None:
    message = _refusal(model.changed(**changes).write(tmp_path / "m.gguf"), UnsupportedModel)
    assert all(part in message for part in named), message


def test_a_gemma_that_caps_its_logits_is_named(tmp_path: Path) -> None:
    model = tiny_model("gemma3").changed(gemma3__final_logit_softcapping=30.0)
    assert "caps its logits" in _refusal(model.write(tmp_path / "m.gguf"), UnsupportedModel)


def test_positions_that_mlx_does_not_stretch_are_named(tmp_path: Path) -> None:
    changes = {"qwen3moe__rope__scaling__type": "yarn", "qwen3moe__rope__scaling__factor": 4.0}
    model = tiny_model("qwen3moe").changed(**changes)
    assert "'yarn'" in _refusal(model.write(tmp_path / "m.gguf"), UnsupportedModel)
    table = stored("F32", np.linspace(1, 9, 8))
    model = tiny_model("llama").with_extra({"rope_freqs.weight": table})
    assert "rope_freqs" in _refusal(model.write(tmp_path / "m.gguf"), UnsupportedModel)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"general__architecture": None}, "general.architecture is missing"),
        ({"general__architecture": 7}, "general.architecture has the wrong type"),
        ({"general__alignment": 3}, "alignment of 3"),
        ({"llama__context_length": None}, "llama.context_length is missing"),
        ({"llama__context_length": True}, "llama.context_length has the wrong type"),
        ({"llama__context_length": 0}, "numbers"),
        ({"llama__rope__freq_base": float("nan")}, "numbers"),
        ({"llama__rope__freq_base": 0.0}, "numbers"),
        ({"llama__block_count": 2**32 - 1}, "4294967295 layers"),
        ({"llama__block_count": 3}, "blk.2.attn_k.weight"),
        ({"llama__attention__head_count": 0}, "no attention heads"),
        ({"llama__attention__head_count_kv": 3}, "attention heads"),
        ({"llama__feed_forward_length": 64}, "shape"),
        ({"llama__expert_count": 2}, "experts"),
        ({"tokenizer__ggml__tokens": None}, "tokenizer.ggml.tokens is missing"),
        ({"tokenizer__ggml__tokens": ["a", "a"]}, "twice"),
        ({"tokenizer__ggml__token_type": [1, 1]}, "one type for each token"),
        ({"tokenizer__ggml__merges": ["x yz"]}, "merges tokens"),
        ({"tokenizer__ggml__merges": [1]}, "merges has the wrong type"),
        ({"tokenizer__ggml__eos_token_id": 100_000}, "eos_token_id is not a token"),
        (
            {"tokenizer__ggml__add_bos_token": True, "tokenizer__ggml__bos_token_id": None},
            "names none",
        ),
        (
            {
                "tokenizer__ggml__add_bos_token": True,
                "tokenizer__ggml__tokens": ["a", "b:c"],
                "tokenizer__ggml__token_type": [1, 1],
                "tokenizer__ggml__merges": [],
                "tokenizer__ggml__bos_token_id": 1,
                "tokenizer__ggml__eos_token_id": None,
                "tokenizer__ggml__eot_token_id": None,
            },
            "does not make sense",
        ),
        ({"tokenizer__ggml__model": "llama"}, "scores is missing"),
        ({"tokenizer__ggml__model": "llama", "tokenizer__ggml__scores": [0.5]}, "one score"),
        ({"split__count": 2}, "parts of a model"),
        ({"split__count": 4_000_000_000}, "parts of a model"),
    ],
)
def test_contradictions_are_damage(
    tmp_path: Path, model: TinyModel, changes: dict[str, Any], named: str
) -> None:
    message = _refusal(model.changed(**changes).write(tmp_path / "m.gguf"), InvalidModel)
    assert named in message


def test_tensors_must_be_those_of_the_architecture(tmp_path: Path, model: TinyModel) -> None:
    tensors: Mapping[str, Stored] = model.tensors
    file = tmp_path / "m.gguf"
    for lacking in ("blk.1.ffn_up.weight", "token_embd.weight"):
        some = {name: tensor for name, tensor in tensors.items() if name != lacking}
        write_gguf(file, model.metadata, some)
        assert repr(lacking) in _refusal(file, InvalidModel)
    bias = stored("F32", np.zeros(64))
    write_gguf(file, model.metadata, {**tensors, "blk.0.attn_q.bias": bias})
    assert "bias" in _refusal(file, InvalidModel)
    write_gguf(file, model.metadata, {**tensors, "v.patch_embd.weight": bias})
    assert "'v.patch_embd.weight'" in _refusal(file, UnsupportedModel)


@pytest.mark.parametrize(
    ("kind", "error", "named"),
    [
        (15, UnsupportedModel, "15; known are F32"),
        (99, UnsupportedModel, "99"),
        (14, InvalidModel, "Q6_K"),
    ],
)
def test_unknown_storage_and_broken_blocks_are_named(
    tmp_path: Path, model: TinyModel, kind: int, error: type[BodegaError], named: str
) -> None:
    file = model.write(tmp_path / "m.gguf")
    content = bytearray(file.read_bytes())
    place = content.index(b"blk.0.attn_q.weight") + len("blk.0.attn_q.weight") + 4 + 16
    content[place] = kind
    file.write_bytes(content)
    assert named in _refusal(file, error)


@pytest.mark.parametrize("content", [b"", b"GG", b"PK\3\4 something else", b"GGUF"])
def test_other_files_are_not_gguf_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.gguf").write_bytes(content)
    _refusal(tmp_path / "m.gguf", InvalidModel)


def test_other_versions_are_named(tmp_path: Path, model: TinyModel) -> None:
    file = model.write(tmp_path / "m.gguf")
    content = bytearray(file.read_bytes())
    content[4] = 1
    file.write_bytes(content)
    assert "version 1" in _refusal(file, UnsupportedModel)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    assert "No such file" in _refusal(tmp_path / "m.gguf", InvalidModel)


def test_a_file_cut_off_anywhere_is_damaged(tmp_path: Path, model: TinyModel) -> None:
    file = model.write(tmp_path / "m.gguf")
    content = file.read_bytes()
    header_bytes = content.index(b"token_embd.weight")
    cuts = [*range(0, header_bytes + 2000, 97), len(content) // 2, len(content) - 40]
    for cut in cuts:
        file.write_bytes(content[:cut])
        with pytest.raises(InvalidModel):
            read_header(file)


def _tensor(name: bytes, sides: list[int], kind: int, offset: int) -> bytes:
    front = struct.pack("<Q", len(name)) + name + struct.pack("<I", len(sides))
    return front + struct.pack(f"<{len(sides)}QIQ", *sides, kind, offset)


def _text(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def _file(*, entries: list[bytes] | None = None, tensors: list[bytes] | None = None) -> bytes:
    entries, tensors = entries or [], tensors or []
    front = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries))
    front += b"".join(entries) + b"".join(tensors)
    return front + bytes(-len(front) % 32 + 4096)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"GGUF" + struct.pack("<IQQ", 3, 2**63, 0), "tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**64 - 1), "metadata entries"),
        (_file(entries=[struct.pack("<Q", 2**63)]), "cut off"),
        (_file(entries=[_text(b"k") + struct.pack("<IQ", 8, 2**64 - 8)]), "cut off"),
        (_file(entries=[_text(b"k") + struct.pack("<IIQ", 9, 0, 2**62)]), "elements"),
        (_file(entries=[_text(b"k") + struct.pack("<IIQ", 9, 12, 4_000_000)]), "cut off"),
        (_file(entries=[_text(b"k") + struct.pack("<IIQ", 9, 8, 4_000_000)]), "cut off"),
        (
            _file(entries=[_text(b"k") + struct.pack("<IIQIQ", 9, 9, 1, 9, 1)]),
            "unknown type, 9",
        ),
        (_file(entries=[_text(b"\xff\xfe") + struct.pack("<IB", 0, 1)]), "UTF-8"),
        (_file(entries=[_text(b"k") + struct.pack("<IB", 0, 1)] * 2), "twice"),
        (_file(tensors=[_tensor(b"t", [2**32, 2**32, 2**32], 0, 0)]), "not all there"),
        (_file(tensors=[_tensor(b"t", [2**61], 0, 0)]), "not all there"),
        (_file(tensors=[_tensor(b"t", [2**63, 2], 0, 0)]), "not all there"),
        (_file(tensors=[_tensor(b"t", [32], 0, 2**64 - 32)]), "not all there"),
        (_file(tensors=[_tensor(b"t", [32], 0, 8192)]), "not all there"),
        (_file(tensors=[_tensor(b"t", [32], 0, 8)]), "'t' is damaged"),
        (_file(tensors=[_tensor(b"t", [0, 4], 0, 0)]), "'t' is damaged"),
        (_file(tensors=[_tensor(b"t", [], 0, 0)]), "0 dimensions"),
        (_file(tensors=[_tensor(b"t", [1] * 5, 0, 0)]), "5 dimensions"),
        (_file(tensors=[_tensor(b"a", [32], 0, 0), _tensor(b"b", [32], 0, 96)]), "overlap"),
        (_file(tensors=[_tensor(b"a", [32], 0, 0), _tensor(b"b", [32], 0, 0)]), "overlap"),
        (_file(tensors=[_tensor(b"t", [32], 0, 0)] * 2), "twice"),
    ],
)
def test_a_hostile_header_is_refused_in_bounded_memory(
    tmp_path: Path, content: bytes, named: str
) -> None:
    (tmp_path / "m.gguf").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidModel, match=named):
            read_gguf_summary(tmp_path / "m.gguf")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_a_header_of_endless_metadata_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    # Lists of small numbers take many times their bytes in memory.
    many = struct.pack("<IIQ", 9, 0, 1_000_000) + bytes(1_000_000)
    entries = [_text(b"%d" % at) + many for at in range(8)]
    (tmp_path / "m.gguf").write_bytes(_file(entries=entries))
    with pytest.raises(InvalidModel, match="elements of an array"):
        read_header(tmp_path / "m.gguf")


def test_random_damage_never_gets_past_the_check_as_another_error(
    tmp_path: Path, model: TinyModel
) -> None:
    file = model.write(tmp_path / "m.gguf")
    content = file.read_bytes()
    header_bytes = content.rindex(b"blk.1.")
    rng = random.Random(5)
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(header_bytes)] = rng.choice(
                (0, 1, 0x7F, 0xFF, rng.randrange(256))
            )
        file.write_bytes(damaged)
        try:
            plan_import(file)
        except (InvalidModel, UnsupportedModel):
            continue
