"""Chat templates: Jinja in a sandbox, with what Hugging Face templates expect to find.

See "Chat templates" in the Transformers documentation for that surroundings.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import jinja2
import jinja2.ext
import jinja2.meta
import jinja2.nodes
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bodega.backends.base import Message
from bodega.errors import ChatTemplateError, InvalidModel, InvalidRequest, quoted

_OWN_ARGUMENTS = frozenset(
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


class _Generation(jinja2.ext.Extension):
    """The tag that marks assistant text for training; here it renders its body."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: Parser) -> list[jinja2.nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class ChatTemplate:
    """One model's chat template, compiled.

    Attributes:
        source: its text.
    """

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        """Compile a template.

        Args:
            source: the Jinja text.
            special_tokens: bos_token, eos_token and the like, for the template.

        Raises:
            InvalidModel: the text is not a Jinja template.
        """
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[jinja2.ext.loopcontrols, _Generation],
        )
        environment.filters["tojson"] = _tojson
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = _strftime_now
        try:
            self._template = environment.from_string(source)
            names = jinja2.meta.find_undeclared_variables(environment.parse(source))
        except (jinja2.TemplateError, SyntaxError, RecursionError) as error:
            # Jinja compiles to Python, which bounds how deep blocks nest.
            raise InvalidModel(f"The chat template is not valid Jinja: {error}") from error
        self.source = source
        self._special_tokens = dict(special_tokens)
        # enable_thinking is sent to every model by clients that know it.
        self._arguments = (names | {"enable_thinking"}) - _OWN_ARGUMENTS - set(special_tokens)

    def render(self, messages: Sequence[Message], arguments: Mapping[str, Any]) -> str:
        """Return the text of a conversation up to where the model goes on.

        Raises:
            InvalidRequest: an argument is not one of the template's.
            ChatTemplateError: the template refuses the conversation, or fails on it.
        """
        for name in arguments:
            if name not in self._arguments:
                raise InvalidRequest(
                    f"{quoted(name)} is not an argument of the model's chat template. "
                    f"It takes: {', '.join(sorted(self._arguments))}.",
                    param=f"chat_template_kwargs.{name}",
                )
        try:
            return self._template.render(
                messages=[self._as_known(message) for message in messages],
                tools=None,
                documents=None,
                add_generation_prompt=True,
                **self._special_tokens,
                **arguments,
            )
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

    def _as_known(self, message: Message) -> dict[str, Any]:
        known = dict(message)
        if known["role"] == "developer" and "developer" not in self.source:
            known["role"] = "system"
        return known


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # Jinja's own filter escapes HTML, which would change what the model reads. Templates are
    # written for these names, in this order.
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)


def _strftime_now(pattern: str) -> str:
    return datetime.now().strftime(pattern)


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
