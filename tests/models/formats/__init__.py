"""One small model for each format of output that is read: real inference, real tags.

The weights are one and the same, trained on all formats (`tests.models.train_formats`) and
committed; what makes a model of a format is its chat template, its control tokens and its ends.
"""

import fcntl
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.models.formats import written
from tests.models.formats.conversations import Exchange, Reply, exchanges

DATA: Final = Path(__file__).parents[1] / "data" / "formats"
CACHE: Final = Path(__file__).parents[3] / ".cache" / "formats"
RECIPE: Final = 3
"""Raise it when what is made changes, so that kept folders are made anew."""

_CHATML: Final = ("<|im_start|>", "<|im_end|>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format of output, and what a model of it is like.

    Attributes:
        name: of its tool call parser.
        reasoning: the name of its reasoning parser, "none" without thinking.
        special: its control tokens.
        tags: its other tokens that stand for themselves.
        ends: those that end an answer.
        write: how it writes a reply, up to its end.
        always_thinks: it thinks before every reply.
        calls_in_parallel: it makes more than one call at a time.
        talks_before_calls: it has content beside calls.
    """

    name: str
    special: tuple[str, ...]
    ends: tuple[str, ...]
    write: Callable[[Reply], str]
    reasoning: str = "none"
    tags: tuple[str, ...] = ()
    always_thinks: bool = False
    calls_in_parallel: bool = True
    talks_before_calls: bool = True

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Return what the model is asked, and how it replies."""
        return exchanges(
            thinks=self.reasoning != "none",
            always_thinks=self.always_thinks,
            calls_in_parallel=self.calls_in_parallel,
            talks_before_calls=self.talks_before_calls,
        )

    @property
    def template(self) -> str:
        """Return the chat template."""
        file = Path(__file__).parent / "templates" / f"{self.name}.jinja"
        return file.read_text(encoding="utf-8")

    def end_of(self, reply: Reply) -> str:
        """Return the token that ends a reply."""
        return self.ends[-1] if reply.calls else self.ends[0]

    @property
    def folder(self) -> Path:
        """Return the model's folder, made at the first call."""
        return format_model(self.name)


_ALL: Final = (
    Format(
        name="qwen3",
        reasoning="qwen3",
        special=_CHATML,
        tags=("<think>", "</think>", "<tool_call>", "</tool_call>"),
        ends=("<|im_end|>",),
        write=written.hermes,
    ),
    Format(
        name="qwen3_coder",
        special=_CHATML,
        tags=("<tool_call>", "</tool_call>"),
        ends=("<|im_end|>",),
        write=written.qwen3_coder,
    ),
    Format(
        name="glm4_moe",
        reasoning="glm4_moe",
        special=("[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
        tags=(
            *("<think>", "</think>", "<tool_call>", "</tool_call>"),
            *("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"),
        ),
        ends=("<|user|>", "<|observation|>"),
        write=written.glm4_moe,
        always_thinks=True,
    ),
    Format(
        name="harmony",
        reasoning="harmony",
        special=(
            *("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>"),
            *("<|return|>", "<|call|>"),
        ),
        ends=("<|return|>", "<|call|>"),
        write=written.harmony,
        calls_in_parallel=False,
    ),
    Format(
        name="minimax_m2",
        reasoning="minimax_m2",
        special=("]~!b[", "]~b]", "[e~["),
        tags=("<think>", "</think>", "<minimax:tool_call>", "</minimax:tool_call>"),
        ends=("[e~[",),
        write=written.minimax_m2,
        always_thinks=True,
    ),
    Format(
        name="mistral",
        special=(
            *("<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[ARGS]"),
            *("[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
        ),
        ends=("</s>",),
        write=written.mistral,
    ),
    Format(
        name="kimi_k2",
        reasoning="kimi_k2",
        special=(
            *("<|im_user|>", "<|im_assistant|>", "<|im_system|>", "<|im_middle|>", "<|im_end|>"),
            *("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
            *("<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"),
        ),
        tags=("<think>", "</think>"),
        ends=("<|im_end|>",),
        write=written.kimi_k2,
    ),
    Format(
        name="deepseek_v3",
        reasoning="deepseek_v3",
        special=(
            *("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
            *("<｜User｜>", "<｜Assistant｜>", "<｜tool▁sep｜>"),
            *("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
            *("<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"),
            *("<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>"),
            *("<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>"),
        ),
        tags=("<think>", "</think>"),
        ends=("<｜end▁of▁sentence｜>",),
        write=written.deepseek_v3,
        always_thinks=True,
    ),
    Format(
        name="llama3_json",
        special=(
            *("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
            *("<|eot_id|>", "<|eom_id|>", "<|python_tag|>"),
        ),
        ends=("<|eot_id|>",),
        write=written.llama3_json,
        talks_before_calls=False,
    ),
    Format(
        name="gemma",
        special=(
            *("<bos>", "<start_of_turn>", "<end_of_turn>", "<escape>"),
            *("<start_function_declaration>", "<end_function_declaration>"),
            *("<start_function_call>", "<end_function_call>"),
            *("<start_function_response>", "<end_function_response>"),
        ),
        ends=("<end_of_turn>", "<start_function_response>"),
        write=written.gemma,
    ),
)
FORMATS: Final = {one.name: one for one in _ALL}
"""The formats, by the name of their tool call parser."""

TOKENS: Final = tuple(dict.fromkeys(text for one in _ALL for text in (*one.special, *one.tags)))
"""The control tokens and tags of all formats, in the order of their ids."""


def format_model(name: str) -> Path:
    """Return the folder of the model of one format, made at the first call.

    Raises:
        KeyError: no format has that name.
    """
    one = FORMATS[name]
    folder = CACHE / f"{name}-{RECIPE}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as draft:
                shutil.copytree(DATA, Path(draft) / name)
                write_format(one, Path(draft) / name)
                (Path(draft) / name).rename(folder)
    return folder


def write_format(one: Format, folder: Path) -> None:
    """Make the model of all formats in a folder one of this format."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    ids: dict[str, int] = tokenizer["model"]["vocab"]
    tokenizer["added_tokens"] = [
        _added(text, ids[text], special=text in one.special)
        for text in TOKENS
        if text in (*one.special, *one.tags)
    ]
    _write(folder / "tokenizer.json", tokenizer)
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": one.ends[0],
            "chat_template": one.template,
        },
    )
    _write(folder / "generation_config.json", {"eos_token_id": [ids[end] for end in one.ends]})


def _added(text: str, token: int, *, special: bool) -> dict[str, Any]:
    sides = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": token, "content": text, **sides, "special": special}


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")


__all__ = ["FORMATS", "Exchange", "Format", "Reply", "format_model"]
