"""A model's chat template: which names it takes, and what it makes of a conversation."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict

import jinja2
import jinja2.meta

from bodega.backends.lm import template_sandbox as sandbox
from bodega.backends.lm.template_values import CallArguments, NoText, ToolFunction
from bodega.errors import ChatTemplateError, InvalidModel, InvalidRequest, quoted

if TYPE_CHECKING:
    from bodega.backends.base import Message

_OWN_ARGUMENTS: Final = frozenset(
    {
        "messages",
        "tools",
        "documents",
        "add_generation_prompt",
        "continue_final_message",
        "chat_template",
        "conversation",
        "tokenize",
        "bos_token",
        "eos_token",
        "unk_token",
        "pad_token",
        "raise_exception",
        "strftime_now",
    }
)

_REASONING_NAMES: Final = ("thinking", "reasoning")
"""What templates call the reasoning_content of a message besides that."""

Tools = Sequence[Mapping[str, Any]]


class TemplateDefinition(TypedDict):
    """What `ChatTemplate` takes, as a JSON value."""

    source: str
    special_tokens: dict[str, str]
    with_tools: str | None


class ChatTemplate:
    """One model's chat template, compiled. Used from any thread.

    Attributes:
        source: its text; that of the one for tools follows where the model has one of its own.
            Empty where there is none at all.
        names: the names that it uses, of those that whoever renders may give.
        definition: what it was made of.
    """

    def __init__(
        self, source: str, special_tokens: Mapping[str, str], *, with_tools: str | None = None
    ) -> None:
        """Compile a template.

        Args:
            source: the Jinja text.
            special_tokens: bos_token, eos_token and the like, for the template.
            with_tools: the text to use instead where there are tools; None for the same.

        Raises:
            InvalidModel: the text is not a Jinja template.
        """
        self.definition = TemplateDefinition(
            source=source, special_tokens=dict(special_tokens), with_tools=with_tools
        )
        self._plain, names = _compiled(source)
        self._with_tools = self._plain
        self._knows_tools = "tools" in names
        self.source = source
        if with_tools is not None:
            self._with_tools, more = _compiled(with_tools)
            names |= more
            self._knows_tools = True
            self.source += "\n" + with_tools
        self.names = names - set(special_tokens)
        self._special_tokens = dict(special_tokens)
        # enable_thinking is sent to every model by clients that know it.
        self._arguments = (self.names | {"enable_thinking"}) - _OWN_ARGUMENTS

    @classmethod
    def of(cls, definition: TemplateDefinition) -> Self:
        """Compile a template anew."""
        return cls(
            definition["source"],
            definition["special_tokens"],
            with_tools=definition["with_tools"],
        )

    def render(
        self,
        messages: "Sequence[Message]",
        arguments: Mapping[str, Any],
        *,
        tools: Tools | None = None,
        opens_answer: bool = True,
    ) -> str:
        """Return the text of a conversation up to where the model goes on.

        Args:
            messages: the conversation.
            arguments: the caller's own, for the template.
            tools: the tools to tell the model of.
            opens_answer: whether what opens the model's answer is part of the text.

        Raises:
            InvalidRequest: an argument is not one of the template's.
            ChatTemplateError: the template refuses the conversation, or fails on it, or knows no
                tools and there are some.
        """
        self._check(arguments)
        if tools and not self._knows_tools:
            raise ChatTemplateError(
                "The model's chat template knows no tools, so the model would not be told of them. "
                "Send no tools, or load the model with a chat_template_file that has them.",
                param="tools",
            )
        variables = {
            "messages": [self._as_known(message) for message in messages],
            "tools": [_as_known_tool(tool) for tool in tools] if tools else None,
            "documents": None,
            "add_generation_prompt": opens_answer,
            **self._special_tokens,
            **arguments,
        }
        try:
            return sandbox.render(self._with_tools if tools else self._plain, variables)
        except jinja2.TemplateError as error:
            raise ChatTemplateError(
                f"The model's chat template refuses the conversation: {error.message}",
                param="messages",
            ) from error
        except Exception as error:
            raise ChatTemplateError(
                f"The model's chat template fails on the conversation ({type(error).__name__}).",
                param="messages",
            ) from error

    def _check(self, arguments: Mapping[str, Any]) -> None:
        for name in arguments:
            if name not in self._arguments:
                raise InvalidRequest(
                    f"{quoted(name)} is not an argument of the model's chat template. "
                    f"It takes: {', '.join(sorted(self._arguments))}.",
                    param=f"chat_template_kwargs.{name}",
                )

    def _as_known(self, message: "Message") -> dict[str, Any]:
        known = dict(message)
        if known["role"] == "developer" and "developer" not in self.source:
            known["role"] = "system"
        if (reasoning := known.get("reasoning_content")) is not None:
            for name in _REASONING_NAMES:
                known.setdefault(name, reasoning)
        if calls := known.get("tool_calls"):
            known["tool_calls"] = [_as_known_call(call) for call in calls]
            known["content"] = known["content"] or NoText()
        return known


def _as_known_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {**tool, "function": ToolFunction(tool["function"])}


def _as_known_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    arguments = CallArguments(function["arguments"])
    return {**call, "function": {**function, "arguments": arguments}}


def _compiled(source: str) -> tuple[jinja2.Template, frozenset[str]]:
    try:
        tree = sandbox.parse(source)
        names = jinja2.meta.find_undeclared_variables(tree)
        return sandbox.compiled(tree), frozenset(names)
    except (jinja2.TemplateError, SyntaxError, RecursionError) as error:
        # Jinja compiles to Python, which bounds how deep blocks nest.
        raise InvalidModel(f"The chat template is not valid Jinja: {error}") from error


StringMap = Callable[[str], str]


def map_strings(value: Any, change: StringMap) -> Any:
    """Return a JSON value with `change` applied to every string in it, names too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(name): map_strings(item, change) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [map_strings(item, change) for item in value]
    return value
