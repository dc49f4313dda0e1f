"""An imported tokenizer makes the same tokens as the one it came from."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from bodega.backends.lm.gguf import import_gguf
from bodega.backends.lm.gguf.metadata import Metadata
from bodega.backends.lm.gguf.tokenizer import (
    read_vocabulary,
    tokenizer_config,
    tokenizer_definition,
)
from tests.gguf.loaded import load
from tests.gguf.tiny_models import TinyModel, tiny_model
from tests.gguf.tiny_tokenizers import (
    AWKWARD,
    TEMPLATE,
    VISIBLE,
    byte_level_metadata,
    sentencepiece_metadata,
    sentencepiece_model,
    tokenizer,
    trained,
)

_BYTES: Final = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
_GPT2: Final = pre_tokenizers.ByteLevel(add_prefix_space=False)


def _isolated(*patterns: str) -> Any:
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    return pre_tokenizers.Sequence([*splits, _BYTES])


# The patterns as the tokenizers' own makers publish them.
_SOURCES: Final[dict[str, dict[str, Any]]] = {
    "gpt-2": {"pre_tokenizer": _GPT2},
    "smollm": {
        "pre_tokenizer": pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), _GPT2]
        )
    },
    "llama-bpe": {
        "pre_tokenizer": _isolated(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
            r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
        "ignore_merges": True,
    },
    "qwen2": {
        "pre_tokenizer": _isolated(PRETOKENIZE_REGEX),
        "normalizer": normalizers.NFC(),
    },
    "gpt-4o": {
        "pre_tokenizer": _isolated(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
            r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}|"
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        )
    },
    "tekken": {
        "pre_tokenizer": _isolated(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
            r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
        "ignore_merges": True,
    },
    "deepseek-coder": {
        "pre_tokenizer": pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(pattern), "isolated")
                for pattern in ("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+")
            ]
            + [pre_tokenizers.Digits(individual_digits=True), _BYTES]
        )
    },
    "deepseek-v3": {
        "pre_tokenizer": _isolated(
            r"\p{N}{1,3}",
            "[一-龥぀-ゟ゠-ヿ]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
            r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        )
    },
}
_MARKED: Final = f"<|im_start|>user\nhi {VISIBLE}there<|im_end|>"


def _read(metadata: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the tokenizer that is made of a file's metadata, and its configuration."""
    vocabulary = read_vocabulary(Metadata(metadata))
    definition = tokenizer_definition(vocabulary)
    config = tokenizer_config(vocabulary, context_length=512)
    return Tokenizer.from_str(json.dumps(definition)), config


@pytest.mark.parametrize("pre", _SOURCES)
def test_byte_level_text_becomes_the_same_tokens_and_comes_back(pre: str) -> None:
    source = trained(**_SOURCES[pre])
    made, _ = _read(byte_level_metadata(source, pre=pre))
    for text in (*AWKWARD, _MARKED):
        tokens = made.encode(text, add_special_tokens=False).ids
        assert tokens == source.encode(text).ids, text
        assert made.decode(tokens, skip_special_tokens=False) == source.decode(
            tokens, skip_special_tokens=False
        )


@pytest.mark.parametrize("begins_with_space", [True, False])
def test_sentencepiece_text_becomes_the_same_tokens_and_comes_back(
    begins_with_space: bool,
) -> None:
    source = sentencepiece_model(begins_with_space=begins_with_space)
    made, _ = _read(sentencepiece_metadata(source, begins_with_space=begins_with_space))
    for text in AWKWARD:
        tokens = made.encode(text, add_special_tokens=False).ids
        assert tokens == source.encode(text), text
        assert made.decode(tokens, skip_special_tokens=False) == source.decode(tokens)


def test_control_tokens_of_sentencepiece_stand_for_themselves() -> None:
    source = sentencepiece_model(begins_with_space=False)
    made, config = _read(sentencepiece_metadata(source, begins_with_space=False))
    tokens = made.encode("<start_of_turn>user\n\nhi<end_of_turn>").ids
    start, end = (source.piece_to_id(f"<{name}_of_turn>") for name in ("start", "end"))
    assert (tokens[0], tokens[1], tokens[-1]) == (source.bos_id(), start, end)
    assert source.piece_to_id("\n\n") in tokens
    assert (config["bos_token"], config["eos_token"]) == ("<s>", "</s>")
    assert config["add_bos_token"] is True


def test_the_tokens_of_phi_3_take_the_spaces_after_them() -> None:
    source = sentencepiece_model(begins_with_space=True)
    metadata = sentencepiece_metadata(source, begins_with_space=True)
    made, _ = _read({**metadata, "general.architecture": "phi3"})
    text = "<start_of_turn>hi<end_of_turn>"
    spaced = text.replace(">hi", ">\n hi")
    assert made.encode(spaced).ids == made.encode(text).ids
    other, _ = _read({**metadata, "general.architecture": "llama"})
    assert other.encode(spaced).ids != other.encode(text).ids
    assert made.encode("<s> hi").ids != made.encode("<s>hi").ids


@pytest.mark.parametrize("begins_with_space", [True, False])
def test_a_model_with_a_sentencepiece_tokenizer_is_loaded_and_answers_in_text(
    tmp_path: Path, begins_with_space: bool
) -> None:
    source = sentencepiece_model(begins_with_space=begins_with_space)
    tokens = sentencepiece_metadata(source, begins_with_space=begins_with_space)
    model = tiny_model("gemma3", tokenizer=tokens)
    import_gguf(model.write(tmp_path / "m.gguf"), tmp_path / "m")
    loaded = load(tmp_path / "m")
    prompt = loaded.render_chat([{"role": "user", "content": "Two  words 你好"}], {}).tokens
    text = b"".join(loaded.decoding.token_bytes[token] for token in prompt).decode()
    assert text.removeprefix(" " if begins_with_space else "") == "user: Two  words 你好\n"
    assert loaded.info.stop_tokens == {source.eos_id(), source.piece_to_id("<end_of_turn>")}


def _imported(model: TinyModel, tmp_path: Path) -> Any:
    from transformers import AutoTokenizer

    import_gguf(model.write(tmp_path / "m.gguf"), tmp_path / "m")
    return AutoTokenizer.from_pretrained(tmp_path / "m")


def test_transformers_loads_the_tokenizer_with_its_template(tmp_path: Path) -> None:
    imported = _imported(tiny_model("llama"), tmp_path)
    assert (imported.bos_token, imported.eos_token) == ("<|im_start|>", "<|im_end|>")
    assert imported.chat_template == TEMPLATE
    assert imported.encode(_MARKED) == tokenizer().encode(_MARKED).ids
    tokens = imported.encode(f"<|im_end|>{VISIBLE}")
    assert imported.decode(tokens, skip_special_tokens=True) == VISIBLE


def test_a_file_may_ask_for_a_first_and_a_last_token(tmp_path: Path) -> None:
    model = tiny_model("llama").changed(
        tokenizer__ggml__add_bos_token=True, tokenizer__ggml__add_eos_token=True
    )
    imported = _imported(model, tmp_path)
    tokens = imported.encode("hi")
    assert (tokens[0], tokens[-1]) == (imported.bos_token_id, imported.eos_token_id)
    assert imported.encode("hi", add_special_tokens=False) == tokens[1:-1]


def test_all_tokens_that_end_an_answer_are_told(tmp_path: Path) -> None:
    # As of files that name the token only by which a text ends, and not those of a turn.
    model = tiny_model("llama").changed(tokenizer__ggml__eot_token_id=None)
    import_gguf(model.write(tmp_path / "m.gguf"), tmp_path / "m")
    end, other = (tokenizer().token_to_id(f"<|{name}|>") for name in ("im_end", "endoftext"))
    generation = json.loads((tmp_path / "m" / "generation_config.json").read_text())
    assert generation["eos_token_id"] == [end, other]
    assert load(tmp_path / "m").info.stop_tokens == {end, other}


def test_the_end_of_a_part_does_not_end_an_answer_of_gpt_oss() -> None:
    metadata = byte_level_metadata()
    names = ["<|end|>", "<|return|>", "<|call|>"]
    tokens = [*metadata["tokenizer.ggml.tokens"], *names]
    metadata |= {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [*metadata["tokenizer.ggml.token_type"], 3, 3, 3],
        "tokenizer.ggml.eos_token_id": tokens.index("<|return|>"),
    }
    del metadata["tokenizer.ggml.eot_token_id"]
    ends = read_vocabulary(Metadata(metadata)).end_ids()
    assert [tokens[at] for at in ends] == ["<|return|>", "<|call|>"]


def test_empty_tokens_that_pad_a_vocabulary_are_told_apart(tmp_path: Path) -> None:
    metadata = byte_level_metadata()
    metadata["tokenizer.ggml.tokens"] = [*metadata["tokenizer.ggml.tokens"], "", ""]
    metadata["tokenizer.ggml.token_type"] = [*metadata["tokenizer.ggml.token_type"], 5, 5]
    made, _ = _read(metadata)
    assert made.get_vocab_size() == len(metadata["tokenizer.ggml.tokens"])
