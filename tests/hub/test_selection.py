"""Which files of a repository a model needs, and which are never fetched."""

import pytest

from bodega.hub.selection import find_indexes, narrow, select
from bodega.hub.weight_index import Shards

TEXTS = ["chat_template.jinja", "config.json", "merges.txt", "tokenizer.json", "vocab.json"]
FORBIDDEN = [
    "model.onnx",
    "model.gguf",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json.lock",
    "flax_model.msgpack",
    "tf_model.h5",
    "consolidated.00.pth",
    "training_args.bin",
    "model.pt",
    "weights.pkl",
    "modeling_own.py",
    "README.md",
    "LICENSE",
    ".gitattributes",
    "original/consolidated.safetensors",
    "original/params.json",
    "onnx/model.safetensors",
    "metal/model.safetensors",
    "gguf/config.json",
    ".cache/config.json",
]


def _shards(*names: str) -> Shards:
    return Shards(names=frozenset(names), total_bytes=None, parameters=None)


def test_a_model_is_its_weights_and_the_texts_beside_them() -> None:
    needed = select([*TEXTS, *FORBIDDEN, "model.safetensors"], {})
    assert needed.names == (*TEXTS, "model.safetensors")


@pytest.mark.parametrize("name", FORBIDDEN)
def test_no_pattern_brings_what_is_forbidden(name: str) -> None:
    needed = select([*TEXTS, "model.safetensors", name], {})
    assert name not in narrow(needed, ["*", name]).names


def test_patterns_narrow_as_the_hubs_client_has_them() -> None:
    needed = select([*TEXTS, "model.safetensors"], {})
    assert narrow(needed, ["*.json", "merges.*"]).names == (
        "config.json",
        "merges.txt",
        "tokenizer.json",
        "vocab.json",
    )
    assert narrow(needed, ["vae/", "nothing"]).names == ()
    assert narrow(needed, None) == narrow(needed, []) == needed


def test_python_code_comes_only_where_it_is_allowed() -> None:
    names = ["config.json", "model.safetensors", "modeling_own.py", "original/more.py"]
    assert "modeling_own.py" not in select(names, {}).names
    allowed = select(names, {}, allow_code=True)
    assert allowed.names == ("config.json", "modeling_own.py", "model.safetensors")


def test_the_index_says_which_weights_there_are() -> None:
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    names = [first, second, "consolidated.safetensors", "extra.safetensors", "config.json"]
    names += ["model.safetensors.index.json", "consolidated.safetensors.index.json"]
    (index,) = find_indexes(names)
    assert index == "model.safetensors.index.json"
    needed = select(names, {index: _shards(first, second)})
    assert needed.weights == (first, second)
    assert needed.others == ("config.json", "model.safetensors.index.json")


@pytest.mark.parametrize(
    ("names", "weights"),
    [
        (["model.safetensors", "consolidated.safetensors"], ["model.safetensors"]),
        (["model.safetensors", "model.fp16.safetensors"], ["model.safetensors"]),
        (["model.safetensors", "adapter_model.safetensors"], ["model.safetensors"]),
        (["model.fp16.safetensors"], ["model.fp16.safetensors"]),
        (["weights.00.safetensors", "weights.01.safetensors"], None),
        (["weights.safetensors", "weights.npz"], ["weights.safetensors"]),
        (["weights.npz"], ["weights.npz"]),
        (["other.npz"], []),
        (["pytorch_model.bin"], []),
        (["adapter_model.safetensors"], []),
    ],
)
def test_without_an_index_the_names_say_which_weights_there_are(
    names: list[str], weights: list[str] | None
) -> None:
    assert list(select(names, {}).weights) == (names if weights is None else weights)


def test_the_modules_of_an_embedder_come_with_it() -> None:
    names = ["model.safetensors", "config.json", "modules.json", "1_Pooling/config.json"]
    names += ["2_Dense/model.safetensors", "2_Dense/pytorch_model.bin", "examples/config.json"]
    assert set(select(names, {}).names) == {*names[:5]}


def test_a_model_of_several_parts_is_the_folders_of_its_parts() -> None:
    index = "transformer/diffusion_pytorch_model.safetensors.index.json"
    parts = [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/merges.txt",
        "transformer/a.safetensors",
        index,
        "vae/diffusion_pytorch_model.safetensors",
    ]
    copies = ["flux-dev.safetensors", "vae/diffusion_pytorch_model.fp16.safetensors"]
    copies += ["transformer/b.safetensors", "text_encoder/pytorch_model.bin"]
    assert find_indexes([*parts, *copies]) == (index,)
    needed = select([*parts, *copies], {index: _shards("a.safetensors")})
    assert set(needed.names) == set(parts)


def test_parts_are_found_without_a_list_of_them() -> None:
    names = ["transformer/0.safetensors", "vae/0.safetensors", "tokenizer/vocab.json"]
    assert set(select(names, {}).names) == set(names)
