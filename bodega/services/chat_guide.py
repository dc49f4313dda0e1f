"""What holds the answers to a conversation to what the request asks for."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from bodega.backends.base import Constraint, Guide, RenderedChat, ThinkingBudget
from bodega.errors import InvalidRequest
from bodega.limits import MAX_COMPILING
from bodega.parsers.choice import NONE
from bodega.parsers.grammar import (
    CallRules,
    ToolRule,
    answer_grammar,
    grammar_rule,
    json_object_rule,
    json_schema_rule,
    regex_rule,
)
from bodega.parsers.thinking import Begun, begun, thinking_tags
from bodega.services.chat_request import CallMode, ChatRequest, FormatKind, ResponseFormat
from bodega.services.loaded_model import LoadedModel

_FORMAT_PARAMS = {
    FormatKind.JSON_OBJECT: "response_format",
    FormatKind.JSON_SCHEMA: "response_format.json_schema.schema",
    FormatKind.REGEX: "response_format.regex",
    FormatKind.GRAMMAR: "response_format.grammar",
}

_BLAME_S: Final = 1.0
"""How long after a failure the tool at fault is looked for: each is compiled by itself."""


class ChatGuides:
    """Makes what holds answers, beside the event loop."""

    def __init__(self) -> None:
        # Threads of their own: what is compiled for a request that has left still takes its place.
        self._threads = ThreadPoolExecutor(MAX_COMPILING, "bodega-guides")

    async def make(
        self, loaded: LoadedModel, request: ChatRequest, rendered: RenderedChat
    ) -> Sequence[Guide | None]:
        """Return what holds each of the answers to a request; None where nothing does.

        Raises:
            InvalidRequest: they cannot be held to what it asks for.
        """
        calls = _call_rules(loaded, request)
        budget = _budget(loaded, request, rendered)
        if request.response_format is None and calls is None and budget is None:
            return [None] * request.n
        model = loaded.resident.model

        def compiled() -> Sequence[Guide | None]:
            try:
                constraint = _constraint(loaded, request, rendered, calls)
                return [model.compile(constraint, budget) for _ in range(request.n)]
            except InvalidRequest:
                if calls is not None:
                    _refuse_the_tool(loaded, request, rendered, calls)
                raise

        return await asyncio.get_running_loop().run_in_executor(self._threads, compiled)


def _constraint(
    loaded: LoadedModel, request: ChatRequest, rendered: RenderedChat, calls: CallRules | None
) -> Constraint | None:
    asked = request.response_format
    is_forced = request.tool_choice.mode is CallMode.REQUIRED
    if asked is None and calls is None:
        return None
    param = "tool_choice" if is_forced else "tools" if asked is None else _FORMAT_PARAMS[asked.kind]
    content = None if asked is None or is_forced else _content_rule(asked)
    return Constraint(grammar=_grammar(loaded, rendered, content, calls), param=param)


def _grammar(
    loaded: LoadedModel, rendered: RenderedChat, content: str | None, calls: CallRules | None
) -> str:
    return answer_grammar(
        reasoning=loaded.reasoning_parser,
        tool_calls=loaded.tool_call_parser if calls is not None else NONE,
        markers=loaded.resident.info.markers,
        ending=rendered.ending,
        content=content,
        calls=calls,
    )


def _refuse_the_tool(
    loaded: LoadedModel, request: ChatRequest, rendered: RenderedChat, calls: CallRules
) -> None:
    """Refuse the first tool whose calls cannot be held to its schema even alone, if it is found."""
    until_s = time.monotonic() + _BLAME_S
    names = [tool["function"]["name"] for tool in request.tools]
    for rule in calls.tools:
        if not rule.strict:
            continue
        if time.monotonic() > until_s:
            return
        param = f"tools[{names.index(rule.name)}].function.parameters"
        alone = replace(calls, tools=[rule], at_least_one=True, free_text=False)
        try:
            grammar = _grammar(loaded, rendered, None, alone)
            loaded.resident.model.compile(Constraint(grammar=grammar, param=param), None)
        except InvalidRequest as error:
            raise InvalidRequest(error.message, param=param) from None


def _content_rule(asked: ResponseFormat) -> str:
    if asked.kind is FormatKind.JSON_SCHEMA:
        return json_schema_rule(asked.schema)
    if asked.kind is FormatKind.REGEX:
        return regex_rule(asked.source)
    if asked.kind is FormatKind.GRAMMAR:
        return grammar_rule(asked.source)
    return json_object_rule()


def _call_rules(loaded: LoadedModel, request: ChatRequest) -> CallRules | None:
    """Return what calls have to be held to; None if there are none, or they are free."""
    choice, tools = request.tool_choice, request.told_tools
    if loaded.tool_call_parser == NONE:
        _refuse_unparsed_calls(request)
        return None
    is_forced = choice.mode is CallMode.REQUIRED
    if not tools or not (is_forced or request.strict_tools or request.response_format):
        return None
    rules = [
        ToolRule(
            name=tool["function"]["name"],
            parameters=tool["function"]["parameters"],
            # Whoever has to call is to call with what the function takes.
            strict=is_forced or tool["function"]["name"] in request.strict_tools,
        )
        for tool in tools
        if choice.name in (None, tool["function"]["name"])
    ]
    return CallRules(
        tools=rules,
        at_least_one=is_forced,
        parallel=request.parallel_tool_calls and choice.name is None,
        free_text=not is_forced and request.response_format is None,
    )


def _refuse_unparsed_calls(request: ChatRequest) -> None:
    """Refuse what needs a tool call parser, of a model that was loaded without."""
    advice = "which this model was loaded without: load it with a tool_call_parser, or leave it out"
    if request.tool_choice.mode is CallMode.REQUIRED:
        raise InvalidRequest(
            f"'tool_choice' wants a call, which needs a tool call parser, {advice}.",
            param="tool_choice",
        )
    for at, tool in enumerate(request.told_tools):
        if tool["function"]["name"] in request.strict_tools:
            raise InvalidRequest(
                f"'strict' holds calls to their schema, which needs a tool call parser, {advice}.",
                param=f"tools[{at}].function.strict",
            )


def _budget(
    loaded: LoadedModel, request: ChatRequest, rendered: RenderedChat
) -> ThinkingBudget | None:
    if request.thinking_budget_tokens is None:
        return None
    tags = thinking_tags(loaded.reasoning_parser)
    if tags is None:
        raise InvalidRequest(
            "'thinking_budget_tokens' needs a reasoning parser whose format closes thinking by a "
            f"tag; this model was loaded with {loaded.reasoning_parser!r}.",
            param="thinking_budget_tokens",
        )
    state = begun(tags, rendered.ending)
    if state is Begun.CLOSED:
        return None
    return ThinkingBudget(
        tokens=request.thinking_budget_tokens,
        opening=None if state is Begun.OPEN else tags.opening,
        closing=tags.closing,
    )
