"""How a model of each format writes its reply, without the token that ends it."""

import json
from typing import Any

from tests.models.formats.conversations import Reply


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _parts(*parts: str | None) -> str:
    return "".join(part for part in parts if part)


def hermes(reply: Reply) -> str:
    """Qwen3 and Hermes."""
    thinking = f"<think>\n{reply.reasoning}\n</think>\n\n" if reply.reasoning else None
    calls = [
        f'<tool_call>\n{{"name": "{name}", "arguments": {_json(arguments)}}}\n</tool_call>'
        for name, arguments in reply.calls
    ]
    return _parts(thinking, "\n".join(([reply.content] if reply.content else []) + calls))


def qwen3_coder(reply: Reply) -> str:
    """Qwen3 Coder."""
    calls = []
    for name, arguments in reply.calls:
        values = "".join(
            f"<parameter={key}>\n{_text(value)}\n</parameter>\n" for key, value in arguments.items()
        )
        calls.append(f"<tool_call>\n<function={name}>\n{values}</function>\n</tool_call>")
    return "\n".join(([reply.content] if reply.content else []) + calls)


def glm4_moe(reply: Reply) -> str:
    """GLM 4.5 and on."""
    thinking = f"\n<think>{reply.reasoning}</think>" if reply.reasoning else None
    calls = []
    for name, arguments in reply.calls:
        values = "".join(
            f"<arg_key>{key}</arg_key>\n<arg_value>{_text(value)}</arg_value>\n"
            for key, value in arguments.items()
        )
        calls.append(f"\n<tool_call>{name}\n{values}</tool_call>")
    return _parts(thinking, f"\n{reply.content}" if reply.content else None, *calls)


def harmony(reply: Reply) -> str:
    """GPT-OSS."""
    messages = []
    if reply.reasoning:
        messages.append(f"<|channel|>analysis<|message|>{reply.reasoning}<|end|>")
    if reply.content:
        messages.append(f"<|channel|>final<|message|>{reply.content}")
    for name, arguments in reply.calls:
        messages.append(
            f"<|channel|>commentary to=functions.{name} <|constrain|>json"
            f"<|message|>{_json(arguments)}"
        )
    return "<|start|>assistant".join(messages)


def minimax_m2(reply: Reply) -> str:
    """MiniMax M2; the template opens the thinking."""
    invocations = []
    for name, arguments in reply.calls:
        values = "".join(
            f'<parameter name="{key}">{_text(value)}</parameter>\n'
            for key, value in arguments.items()
        )
        invocations.append(f'<invoke name="{name}">\n{values}</invoke>\n')
    calls = f"\n<minimax:tool_call>\n{''.join(invocations)}</minimax:tool_call>"
    return _parts(f"{reply.reasoning}\n</think>\n\n", reply.content, calls if invocations else None)


def mistral(reply: Reply) -> str:
    """Mistral Small 3.2 and its like."""
    calls = [f"[TOOL_CALLS]{name}[ARGS]{_json(arguments)}" for name, arguments in reply.calls]
    return _parts(reply.content, *calls)


def kimi_k2(reply: Reply) -> str:
    """Kimi K2 Thinking."""
    calls = "".join(
        f"<|tool_call_begin|>functions.{name}:{at}<|tool_call_argument_begin|>"
        f"{_json(arguments)}<|tool_call_end|>"
        for at, (name, arguments) in enumerate(reply.calls)
    )
    return _parts(
        f"<think>{reply.reasoning}</think>" if reply.reasoning else None,
        reply.content,
        f"<|tool_calls_section_begin|>{calls}<|tool_calls_section_end|>" if calls else None,
    )


def deepseek_v3(reply: Reply) -> str:
    """DeepSeek R1; the template opens the thinking."""
    calls = "\n".join(
        f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{_json(arguments)}\n```"
        "<｜tool▁call▁end｜>"
        for name, arguments in reply.calls
    )
    return _parts(
        f"{reply.reasoning}\n</think>\n\n",
        reply.content,
        f"<｜tool▁calls▁begin｜>{calls}<｜tool▁calls▁end｜>" if calls else None,
    )


def llama3_json(reply: Reply) -> str:
    """Llama 3.1 and on."""
    calls = [
        f'{{"name": "{name}", "parameters": {_json(arguments)}}}' for name, arguments in reply.calls
    ]
    return _parts(reply.content, "; ".join(calls))


def gemma(reply: Reply) -> str:
    """FunctionGemma."""
    calls = [
        f"<start_function_call>call:{name}{_gemma_value(arguments)}<end_function_call>"
        for name, arguments in reply.calls
    ]
    return _parts(reply.content, *calls)


def _gemma_value(value: Any) -> str:
    if isinstance(value, str):
        return f"<escape>{value}<escape>"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_gemma_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_gemma_value, value)) + "]"
    return _json(value)
