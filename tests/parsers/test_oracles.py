"""Calls are read as mlx-lm's parsers read them, which take whole texts."""

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodega.parsers.message import MessageParser
from tests.parsers.goldens import TOOLS
from tests.parsers.reading import join

Arguments = Mapping[str, Any]

# What the oracles take for something else than text: blanks at the ends, null, tags.
_TEXT = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="<"), min_size=1)
_STRINGS = _TEXT.filter(lambda text: text.lower() not in ("null", "none", "nil"))
_NUMBERS = st.floats(-1e6, 1e6).filter(lambda value: value != int(value))
_ARGUMENTS = st.fixed_dictionaries(
    {"city": _STRINGS},
    optional={
        "days": st.integers(-(10**9), 10**9),
        "exact": st.booleans(),
        "where": st.fixed_dictionaries({"lat": _NUMBERS}),
        "tags": st.lists(_STRINGS, max_size=3),
    },
)


def _oracle(name: str) -> ModuleType:
    found = importlib.util.find_spec("mlx_lm")
    assert found is not None
    assert found.origin is not None
    path = Path(found.origin).parent / "tool_parsers" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"oracle_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _hermes(arguments: Arguments) -> str:
    call = {"name": "get_weather", "arguments": arguments}
    return f"\n{json.dumps(call, ensure_ascii=False)}\n"


def _qwen3_coder(arguments: Arguments) -> str:
    lines = [
        f"<parameter={key}>\n{_plain(value)}\n</parameter>\n" for key, value in arguments.items()
    ]
    return f"\n<function=get_weather>\n{''.join(lines)}</function>\n"


def _glm4_moe(arguments: Arguments) -> str:
    lines = [
        f"<arg_key>{key}</arg_key>\n<arg_value>{_plain(value)}</arg_value>\n"
        for key, value in arguments.items()
    ]
    return f"get_weather\n{''.join(lines)}"


def _minimax_m2(arguments: Arguments) -> str:
    lines = [
        f'<parameter name="{key}">{_plain(value)}</parameter>\n' for key, value in arguments.items()
    ]
    return f'\n<invoke name="get_weather">\n{"".join(lines)}</invoke>\n'


def _kimi_k2(arguments: Arguments) -> str:
    return (
        "<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>"
        f"{json.dumps(arguments)}<|tool_call_end|>"
    )


def _mistral(arguments: Arguments) -> str:
    return f"get_weather[ARGS]{json.dumps(arguments)}"


def _mistral_list(arguments: Arguments) -> str:
    return json.dumps([{"name": "get_weather", "arguments": arguments}])


def _gemma4(arguments: Arguments) -> str:
    def written(value: Any) -> str:
        if isinstance(value, str):
            return f'<|"|>{value}<|"|>'
        if isinstance(value, dict):
            return f"{{{','.join(f'{key}:{written(item)}' for key, item in value.items())}}}"
        if isinstance(value, list):
            return f"[{','.join(map(written, value))}]"
        return json.dumps(value)

    return f"call:get_weather{written(arguments)}"


_FORMS: Mapping[str, tuple[str, str, Callable[[Arguments], str]]] = {
    "hermes": ("json_tools", "hermes", _hermes),
    "qwen3_coder": ("qwen3_coder", "qwen3_coder", _qwen3_coder),
    "glm4_moe": ("glm47", "glm4_moe", _glm4_moe),
    "minimax_m2": ("minimax_m2", "minimax_m2", _minimax_m2),
    "kimi_k2": ("kimi_k2", "kimi_k2", _kimi_k2),
    "mistral": ("mistral", "mistral", _mistral),
    "mistral list": ("mistral", "mistral", _mistral_list),
    "gemma 4": ("gemma4", "gemma", _gemma4),
}


@pytest.mark.parametrize("form", _FORMS)
def test_a_call_is_read_as_mlx_lm_reads_it(form: str) -> None:
    name, calls, write = _FORMS[form]
    oracle = _oracle(name)

    @settings(max_examples=25, deadline=None)
    @given(_ARGUMENTS)
    def check(arguments: Arguments) -> None:
        body = write(arguments)
        # Its closing tag is left to the caller there.
        inside = body.strip() if calls == "qwen3_coder" else body
        expected = oracle.parse_tool_call(inside, list(TOOLS))
        if isinstance(expected, list):
            [expected] = expected
        parser = MessageParser(
            reasoning="none", tool_calls=calls, markers=(), ending="", tools=TOOLS
        )
        text = f"{oracle.tool_call_start}{body}{oracle.tool_call_end}"
        said = join([*parser.push(text), *parser.finish()])
        [[found, call_id, read]] = said.calls.values()
        assert said.closed == [0]
        assert (found, json.loads(read)) == (expected["name"], expected["arguments"])
        assert json.loads(read) == arguments
        assert call_id == expected.get("id")
        assert said.content == ""

    check()
