"""The Jinja in which chat templates run: sandboxed, with what templates of Hugging Face expect.

A template comes with a model, so it is not trusted: it reaches nothing but its arguments, and what
it may do for one conversation is bounded in steps and in size. See "Chat templates" in the
documentation of Transformers for the surroundings.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sized
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final

import jinja2
import jinja2.ext
import jinja2.nodes
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bodega.backends.lm.template_values import is_none
from bodega.limits import MAX_RENDERED_CHARS, MAX_TEMPLATE_STEPS

_LONGEST_POWER_BITS: Final = 1024
_WIDE: Final = re.compile(r"%[^a-zA-Z%]*([0-9]{6}|\*)")
"""A width in a format that is large, or that the formatted values tell."""


class _Budget:
    """The steps that one rendering has left: turns of loops, and calls."""

    def __init__(self) -> None:
        self._left = MAX_TEMPLATE_STEPS

    def spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise jinja2.TemplateError(f"it takes more than {MAX_TEMPLATE_STEPS} steps")


_budget: ContextVar[_Budget] = ContextVar("budget")


def parse(source: str) -> jinja2.nodes.Template:
    """Return the tree of a template, whose loops and joins are bounded.

    Raises:
        jinja2.TemplateError, RecursionError: it is not valid Jinja.
    """
    tree = _ENVIRONMENT.parse(source)
    for loop in tree.find_all(jinja2.nodes.For):
        loop.iter = _filtered(loop.iter, "counted")
    _bound_joins(tree)
    for filtered in tree.find_all((jinja2.nodes.Filter, jinja2.nodes.Test)):
        # Jinja would work it out while it compiles, where nothing is bounded.
        filtered.as_const = _not_now  # type: ignore[assignment, method-assign]
    return tree


def compiled(tree: jinja2.nodes.Template) -> jinja2.Template:
    """Compile a template's tree.

    Raises:
        jinja2.TemplateError, SyntaxError, RecursionError: it cannot be.
    """
    return _ENVIRONMENT.from_string(tree)


def render(template: jinja2.Template, variables: dict[str, Any]) -> str:
    """Return what a template makes of its variables.

    Raises:
        jinja2.TemplateError: it refuses them, or goes past its bounds.
        Exception: whatever else goes wrong in it.
    """
    token = _budget.set(_Budget())
    pieces, size = [], 0
    try:
        for piece in template.generate(variables):
            size += len(piece)
            _check_size(size)
            pieces.append(piece)
    finally:
        _budget.reset(token)
    return "".join(pieces)


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def call(self, context: Context, called: Any, /, *args: Any, **kwargs: Any) -> Any:
        _budget.get().spend(1)
        return super().call(context, called, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            if isinstance(left, int) and isinstance(right, int):
                _check_power(left, right)
        elif operator == "%":
            if isinstance(left, str) and _WIDE.search(left):
                _check_size(MAX_RENDERED_CHARS + 1)
        elif operator == "*":
            _check_size(_size(left) * _times(right))
            _check_size(_size(right) * _times(left))
        else:
            _check_size(_size(left) + _size(right))
        return super().call_binop(context, operator, left, right)


class _Generation(jinja2.ext.Extension):
    """The tag that marks assistant text for training; here it renders its body."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: Parser) -> list[jinja2.nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _not_now(*_: Any) -> Any:
    raise jinja2.nodes.Impossible


def _filtered(node: Any, name: str) -> jinja2.nodes.Filter:
    return jinja2.nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _bound_joins(node: jinja2.nodes.Node) -> None:
    """Let every `~` of a tree be the filter that looks at the size."""
    for name, value in list(node.iter_fields()):
        if isinstance(value, list):
            value[:] = [_bounded(item) for item in value]
        else:
            setattr(node, name, _bounded(value))
    for child in node.iter_child_nodes():
        _bound_joins(child)


def _bounded(value: Any) -> Any:
    if isinstance(value, jinja2.nodes.Concat):
        return _filtered(jinja2.nodes.List(value.nodes, lineno=value.lineno), "joined")
    return value


def _counted(values: Iterable[Any]) -> Iterable[Any]:
    if isinstance(values, Sized):
        _budget.get().spend(len(values))
        return values
    return _counting(values)


def _counting(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        _budget.get().spend(1)
        yield value


def _joined(values: list[Any]) -> str:
    texts = [str(value) for value in values]
    _check_size(sum(map(len, texts)))
    return "".join(texts)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | list | tuple) else 0


def _times(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _check_size(size: int) -> None:
    if size > MAX_RENDERED_CHARS:
        raise jinja2.TemplateError(f"it makes a text of more than {MAX_RENDERED_CHARS} characters")


def _check_power(base: int, exponent: int) -> None:
    if base.bit_length() * exponent > _LONGEST_POWER_BITS:
        raise jinja2.TemplateError("it makes a number that is too large")


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


def _environment() -> _Environment:
    environment = _Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[jinja2.ext.loopcontrols, _Generation],
    )
    environment.filters.update(tojson=_tojson, counted=_counted, joined=_joined)
    environment.tests.update(none=is_none)
    environment.globals.update(raise_exception=_refuse, strftime_now=_strftime_now)
    return environment


_ENVIRONMENT: Final = _environment()
