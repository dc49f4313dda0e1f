"""Which parser reads a model's output: by its name, or by what its chat template writes."""

from collections.abc import Collection
from typing import Final

from bodega.config import AUTO_PARSER, NO_PARSER
from bodega.errors import InvalidRequest, quoted
from bodega.parsers.thinking import thinking_tags

AUTO: Final = AUTO_PARSER
NONE: Final = NO_PARSER

_BOTH: Final = (
    "qwen3",
    "qwen3_moe",
    "qwen3_next",
    "qwen3_vl",
    "glm4_moe",
    "harmony",
    "minimax_m2",
    "kimi_k2",
    "deepseek_v3",
    "mistral",
    "gemma",
)

REASONING_PARSERS: Final = (*_BOTH, AUTO, NONE)
"""Names of parsers that tell thinking from content."""

TOOL_CALL_PARSERS: Final = (
    *_BOTH, "qwen3_coder", "hermes", "llama3_json", AUTO, NONE,
)  # fmt: skip
"""Names of parsers that find calls of tools."""

_FORMATS: Final = (
    ("harmony", ("<|channel|>",)),
    ("minimax_m2", ("<minimax:tool_call>",)),
    ("kimi_k2", ("<|tool_calls_section_begin|>",)),
    ("deepseek_v3", ("<｜tool▁calls▁begin｜>",)),
    ("glm4_moe", ("<arg_key>",)),
    ("gemma", ("<start_function_call>",)),
    ("gemma", ("<|tool_call>",)),
    ("gemma", ("<start_of_turn>", "tool")),
    ("mistral", ("[TOOL_CALLS]",)),
    ("qwen3_coder", ("<tool_call>", "<function=")),
    ("qwen3_vl", ("<tool_call>", "<|vision_start|>")),
    ("qwen3", ("<tool_call>", "<think>")),
    ("hermes", ("<tool_call>",)),
    ("llama3_json", ("<|python_tag|>",)),
    ("llama3_json", ("<|start_header_id|>", '"parameters"')),
)
"""Formats of calls, each after those whose templates hold the same: what tells them."""


def choose_reasoning(name: str | None, template: str, markers: Collection[str]) -> str:
    """Return the reasoning parser that a name stands for.

    Args:
        name: the name at load; None for no parser.
        template: the source of the model's chat template.
        markers: texts that are tokens of their own.

    Raises:
        InvalidRequest: there is no such parser.
    """
    if name is None or name == NONE:
        return NONE
    _check(name, REASONING_PARSERS, "reasoning_parser")
    if name != AUTO:
        return name
    found = _format_in(template, markers)
    if found == "harmony" or _marks(found, template):
        return found
    return "qwen3" if _marks("qwen3", template) else NONE


def _marks(reasoning: str, template: str) -> bool:
    """Whether a template has a tag of thinking: DeepSeek's has only the closing one."""
    return any(tag in template for tag in thinking_tags(reasoning) or ())


def choose_tool_calls(name: str | None, template: str, markers: Collection[str]) -> str:
    """Return the tool call parser that a name stands for; as `choose_reasoning`.

    Raises:
        InvalidRequest: there is no such parser.
    """
    if name is None or name == NONE:
        return NONE
    _check(name, TOOL_CALL_PARSERS, "tool_call_parser")
    return _format_in(template, markers) if name == AUTO else name


def _check(name: str, names: tuple[str, ...], param: str) -> None:
    if name not in names:
        raise InvalidRequest(
            f"There is no {param} {quoted(name)}. Name one of: {', '.join(names)}.", param=param
        )


def _format_in(template: str, markers: Collection[str]) -> str:
    for name, texts in _FORMATS:
        if all(text in template for text in texts):
            return name
    # Llama's templates write the tag by its parts.
    return "llama3_json" if template and "<|python_tag|>" in markers else NONE
