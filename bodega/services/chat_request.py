"""A conversation and how to answer it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from bodega.backends.base import Message, Sampling
from bodega.services.generation_request import GenerationRequest

TEMPERATURE = 0.7
"""The default temperature, of the API and not of the model."""

Tool = Mapping[str, Any]
"""A tool as OpenAI's API has it: its type, and its function."""


class CallMode(Enum):
    """Whether the model may call tools."""

    NONE = "none"
    AUTO = "auto"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice:
    """Whether the model may, must or must not call a tool.

    Attributes:
        name: the only one that it may call; None for any.
    """

    mode: CallMode = CallMode.AUTO
    name: str | None = None


class FormatKind(Enum):
    """What the content of an answer can be held to."""

    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"
    REGEX = "regex"
    GRAMMAR = "grammar"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFormat:
    """What the content of an answer must be.

    Attributes:
        schema: for JSON_SCHEMA.
        source: the text of the regular expression or of the grammar.
    """

    kind: FormatKind
    schema: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest(GenerationRequest):
    """A conversation and how to answer it; None and empty mean the default.

    Attributes:
        tools: those that the model may call.
        strict_tools: the names of those whose calls are held to their schemas.
        parallel_tool_calls: whether one answer may have several calls.
        response_format: what the content must be; None for any text.
        reasoning_effort: how much to think, "none" not at all.
        thinking_budget_tokens: most tokens of thinking.
        continue_final_message: the answer goes on with the last message, the assistant's.
    """

    messages: Sequence[Message]
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=TEMPERATURE))
    template_arguments: Mapping[str, Any] = field(default_factory=dict)
    tools: Sequence[Tool] = ()
    strict_tools: frozenset[str] = frozenset()
    tool_choice: ToolChoice = ToolChoice()
    parallel_tool_calls: bool = True
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    thinking_budget_tokens: int | None = None
    continue_final_message: bool = False

    @property
    def told_tools(self) -> Sequence[Tool]:
        """The tools that the model is told of."""
        return () if self.tool_choice.mode is CallMode.NONE else self.tools
