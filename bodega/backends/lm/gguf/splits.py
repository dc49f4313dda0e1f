"""How byte-level tokenizers split a text into words, by the names that GGUF files give."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tokenizers import Regex, normalizers, pre_tokenizers


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A way to split.

    Attributes:
        patterns: each splits further what those before it left; none: GPT-2's own pattern.
        then_gpt2: whether GPT-2's pattern splits what they left.
        composes: whether a text's characters are composed first (NFC).
        whole_words: whether a word that is a token is taken whole, without merging.
        adds_bos: whether a text begins with the first token unless the file says otherwise.
    """

    patterns: tuple[str, ...] = ()
    then_gpt2: bool = False
    composes: bool = False
    whole_words: bool = False
    adds_bos: bool = False

    def pre_tokenizer(self) -> Any:
        """Return it as a pre-tokenizer, which spells bytes as characters too."""
        gpt2 = self.then_gpt2 or not self.patterns
        steps = [pre_tokenizers.Split(Regex(text), "isolated") for text in self.patterns]
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=gpt2)
        return pre_tokenizers.Sequence([*steps, byte_level]) if steps else byte_level

    def normalizer(self) -> Any:
        """Return what is done to a text before, or None."""
        return normalizers.NFC() if self.composes else None


_CONTRACTIONS: Final = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_WORDS: Final = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_SIGNS: Final = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
_SIGNS_AND_SLASHES: Final = r" ?[^\s\p{L}\p{N}]+[\r\n/]*"
_SPACES: Final = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER: Final = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER: Final = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_IDEOGRAMS: Final = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"


def _cl100k(digits: str) -> str:
    return "|".join([_CONTRACTIONS, _WORDS, digits, _SIGNS, _SPACES])


def _cased(digits: str, contractions: str) -> str:
    """Return a pattern that also splits where small letters are followed by a capital one."""
    lead = r"[^\r\n\p{L}\p{N}]?"
    words = [f"{lead}{_UPPER}*{_LOWER}+{contractions}", f"{lead}{_UPPER}+{_LOWER}*{contractions}"]
    return "|".join([*words, digits, _SIGNS_AND_SLASHES, _SPACES])


_GPT2: Final = Split()
_SINGLE_DIGITS: Final = Split(patterns=(r"\p{N}",), then_gpt2=True)
_LLAMA3: Final = Split(patterns=(_cl100k(r"\p{N}{1,3}"),), whole_words=True, adds_bos=True)
_QWEN2: Final = Split(patterns=(_cl100k(r"\p{N}"),), composes=True)
_CL100K: Final = Split(patterns=(_cl100k(r"\p{N}{1,3}"),))
_DEEPSEEK_CODER: Final = Split(
    patterns=(r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _IDEOGRAMS, r"\p{N}")
)
_DEEPSEEK_V3: Final = Split(
    patterns=(
        r"\p{N}{1,3}",
        "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
        r"[!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"
        + _SPACES,
    )
)

SPLITS: Final[Mapping[str, Split]] = {
    "gpt-2": _GPT2,
    "phi-2": _GPT2,
    "smollm": _SINGLE_DIGITS,
    "starcoder": _SINGLE_DIGITS,
    "refact": _SINGLE_DIGITS,
    "llama-bpe": _LLAMA3,
    "llama3": _LLAMA3,
    "llama-v3": _LLAMA3,
    "falcon3": _LLAMA3,
    "pixtral": _LLAMA3,
    "qwen2": _QWEN2,
    "deepseek-r1-qwen": Split(patterns=(_cl100k(r"\p{N}"),)),
    "dbrx": _CL100K,
    "smaug-bpe": _CL100K,
    "gpt-4o": Split(patterns=(_cased(r"\p{N}{1,3}", _CONTRACTIONS + "?"),)),
    "tekken": Split(patterns=(_cased(r"\p{N}", ""),), whole_words=True, adds_bos=True),
    "deepseek-coder": _DEEPSEEK_CODER,
    "deepseek-v3": _DEEPSEEK_V3,
}
