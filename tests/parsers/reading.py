"""Reading outputs with a parser, in pieces."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from bodega.parsers.message import MessageParser
from bodega.parsers.parts import (
    CallArguments,
    CallClosed,
    CallCut,
    CallOpened,
    Content,
    Part,
    Reasoning,
)
from tests.parsers.goldens import TOOLS, Golden


@dataclass
class Said:
    """The parts of an answer, joined."""

    content: str = ""
    thinking: str = ""
    calls: dict[int, list[Any]] = field(default_factory=dict)
    closed: list[int] = field(default_factory=list)
    cut: dict[int, str] = field(default_factory=dict)
    shown: str = ""


def join(parts: Iterable[Part]) -> Said:
    """Join parts, and check that they come in an order that makes sense."""
    said = Said()
    is_open = False
    for part in parts:
        match part:
            case Content(text):
                assert not is_open
                said.content += text
                said.shown += text
            case Reasoning(text):
                assert not is_open
                said.thinking += text
                said.shown += text
            case CallOpened(index, name, call_id):
                assert not is_open
                assert index == len(said.calls)
                said.calls[index] = [name, call_id, ""]
                is_open = True
            case CallArguments(index, text):
                assert is_open
                assert index == len(said.calls) - 1
                said.calls[index][2] += text
            case CallClosed(index):
                assert is_open
                assert isinstance(json.loads(said.calls[index][2]), dict)
                said.closed.append(index)
                is_open = False
            case CallCut(index, text):
                assert is_open
                said.cut[index] = text
                is_open = False
    assert not is_open
    return said


def spans(text: str, markers: Iterable[str]) -> list[tuple[int, int]]:
    """Return where a text holds markers."""
    longest_first = sorted(markers, key=len, reverse=True)
    if not longest_first:
        return []
    return [found.span() for found in re.finditer("|".join(map(re.escape, longest_first)), text)]


def parser_of(golden: Golden, markers: Sequence[str]) -> MessageParser:
    return MessageParser(
        reasoning=golden.reasoning,
        tool_calls=golden.tool_calls,
        markers=markers,
        ending=golden.ending,
        tools=TOOLS,
    )


def read(
    parser: MessageParser, text: str, places: Sequence[tuple[int, int]], cuts: Iterable[int] = ()
) -> Said:
    """Read a text cut at some places, but not within markers."""
    inside = {at for begin, end in places for at in range(begin + 1, end)}
    borders = [0, *sorted(set(cuts) - inside), len(text)]
    parts: list[Part] = []
    remaining = list(places)
    for begin, end in pairwise(borders):
        here = []
        while remaining and remaining[0][1] <= end:
            place = remaining.pop(0)
            here.append((place[0] - begin, place[1] - begin))
        parts += parser.push(text[begin:end], here)
    return join([*parts, *parser.finish()])
