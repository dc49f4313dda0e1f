"""What models write in each format, and what it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Golden:
    """An answer as a model writes it.

    Attributes:
        reasoning: the reasoning parser.
        tool_calls: the tool call parser.
        markers: the tokens of their own in the model's vocabulary.
        text: the output.
        content: what it says; None for nothing.
        thinking: what it thinks; None for nothing.
        calls: names and arguments of its whole calls.
        ids: the ids of its calls, where the format has them.
        cut: what it writes of calls that are not whole.
        ending: the end of the prompt.
        needs_tokens: it reads so only where tags are tokens of their own.
    """

    name: str
    reasoning: str
    tool_calls: str
    markers: tuple[str, ...]
    text: str
    content: str | None = None
    thinking: str | None = None
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    ids: Sequence[str] = ()
    cut: Sequence[str] = ()
    ending: str = ""
    needs_tokens: bool = False


WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "exact": {"type": "boolean"},
        "where": {"type": "object", "properties": {"lat": {"type": "number"}}},
        "tags": {"type": "array", "items": {"type": "string"}},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "unit": {"enum": ["C", "F"]},
    },
    "required": ["city"],
    "additionalProperties": False,
}

TOOLS: Sequence[Mapping[str, Any]] = (
    {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}},
)

QWEN = ("<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>")
GLM = (
    "<|user|>", "<|observation|>", "<think>", "</think>", "<tool_call>", "</tool_call>",
    "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>",
)  # fmt: skip
MINIMAX = ("<think>", "</think>", "<minimax:tool_call>", "</minimax:tool_call>")
KIMI = (
    "<think>", "</think>", "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>",
    "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>",
)  # fmt: skip
DEEPSEEK = (
    "<think>", "</think>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>",
)  # fmt: skip
MISTRAL = ("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]")
LLAMA = ("<|python_tag|>", "<|eot_id|>", "<|eom_id|>")
GEMMA = ("<start_function_call>", "<end_function_call>", "<escape>")
GEMMA4 = ("<|tool_call>", "<tool_call|>", '<|"|>')
HARMONY = (
    "<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|return|>",
    "<|call|>",
)  # fmt: skip

ASSISTANT = "<|start|>assistant"

GOLDENS = (
    Golden("plain", "none", "none", QWEN, " <think>a</think>\n ", content=" <think>a</think>\n "),
    Golden("text", "qwen3", "qwen3", QWEN, " Grüße, 世界 🌍.\n", content=" Grüße, 世界 🌍.\n"),
    # Thinking.
    Golden(
        "qwen3", "qwen3", "qwen3", QWEN,
        "<think>\nThe user greets.\n\nI greet.\n</think>\n\nHello!\n",
        thinking="The user greets.\n\nI greet.", content="Hello!\n",
    ),
    Golden(
        "opened by the template", "qwen3", "qwen3", QWEN, "Hm.\n</think>\n\nHello!",
        ending="<|im_start|>assistant\n<think>\n", thinking="Hm.", content="Hello!",
    ),
    Golden(
        "opened twice", "deepseek_v3", "none", DEEPSEEK, "<think>\nHm.\n</think>\n\nHello!",
        ending="<｜Assistant｜><think>\n", thinking="Hm.", content="Hello!",
    ),
    Golden(
        "closed by the template", "qwen3", "qwen3", QWEN, "Hello!",
        ending="<|im_start|>assistant\n<think>\n\n</think>\n\n", content="Hello!",
    ),
    Golden(
        "not closed", "qwen3_next", "qwen3_next", QWEN, "<think>\nOn and on,\n",
        thinking="On and on,",
    ),
    Golden(
        "not opened", "qwen3", "qwen3", QWEN, "Hm.\n</think>\n\nHello!",
        content="Hm.\n\nHello!",
    ),
    Golden("empty thinking", "qwen3", "qwen3", QWEN, "<think>\n\n</think>\n\nHi", content="Hi"),
    Golden(
        "tag in code", "qwen3", "qwen3", (), "<think>a</think>Write `<think>` and `</think>`.\n",
        thinking="a", content="Write `<think>` and `</think>`.\n",
    ),
    Golden(
        "tag typed", "qwen3", "qwen3", ("<think>",), "<think>a</think>Write `</think>`.",
        thinking="a", content="Write `</think>`.",
    ),
    Golden(
        "tag in thinking", "qwen3", "qwen3", QWEN,
        "<think>A <tool_call> has {\"name\": \"f\"}.</think>So.",
        thinking='A <tool_call> has {"name": "f"}.', content="So.",
    ),
    Golden(
        "call ends thinking", "qwen3", "qwen3", QWEN,
        '<think>\nI look.\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>\nSo.',
        thinking="I look.", content="So.", calls=[("now", {})], needs_tokens=True,
    ),
    Golden(
        "call of nothing known", "qwen3", "qwen3", QWEN,
        '<think>\nSay <tool_call>{"name": "f", "arguments": {}}</tool_call>?\n</think>\nSo.',
        thinking='Say <tool_call>{"name": "f", "arguments": {}}</tool_call>?', content="So.",
    ),
    # JSON between tags.
    Golden(
        "hermes", "none", "hermes", QWEN,
        'I look.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Zürich \\u00e9 }"}}\n'
        "</tool_call>",
        content="I look.", calls=[("get_weather", {"city": "Zürich é }"})],
    ),
    Golden(
        "parallel", "qwen3", "qwen3_moe", QWEN,
        '<think>\nTwo.\n</think>\n\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>\n'
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo", "days": 2}}\n'
        "</tool_call>",
        thinking="Two.", calls=[("now", {}), ("get_weather", {"city": "Oslo", "days": 2})],
    ),
    Golden(
        "tags in JSON", "qwen3_vl", "qwen3_vl", QWEN,
        '<tool_call>\n{"name": "now", "arguments": {"a": "</tool_call>", "b": "<think>"}}\n'
        "</tool_call>",
        calls=[("now", {"a": "</tool_call>", "b": "<think>"})],
    ),
    Golden(
        "arguments first", "none", "hermes", QWEN,
        '<tool_call>{"arguments": {"city": "Oslo"}, "name": "get_weather"}</tool_call>',
        calls=[("get_weather", {"city": "Oslo"})],
    ),
    Golden(
        "arguments as a string", "none", "hermes", QWEN,
        '<tool_call>{"name": "now", "arguments": "{\\"a\\": [1]}"}</tool_call>',
        calls=[("now", {"a": [1]})],
    ),
    Golden(
        "no arguments", "none", "hermes", QWEN, '<tool_call>{"name": "now"}</tool_call>',
        calls=[("now", {})],
    ),
    Golden(
        "a bracket too many", "none", "hermes", QWEN,
        '<tool_call>\n{"name": "now", "arguments": {}}}\n</tool_call>\nSo.',
        content="So.", calls=[("now", {})],
    ),
    Golden(
        "text after a call", "none", "hermes", QWEN,
        'A\n<tool_call>{"name": "now", "arguments": {}}</tool_call>\nB\n',
        content="A\nB\n", calls=[("now", {})],
    ),
    Golden(
        "call cut by the end", "none", "hermes", QWEN,
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Os',
        cut=['<tool_call>\n{"name": "get_weather", "arguments": {"city": "Os'],
    ),
    Golden(
        "call cut before its name", "none", "hermes", QWEN, '<tool_call>\n{"name": "get_wea',
        content='<tool_call>\n{"name": "get_wea',
    ),
    Golden(
        "malformed arguments", "none", "hermes", QWEN,
        'A.\n<tool_call>\n{"name": "now", "arguments": {"a": tru3}}\n</tool_call>\nB.',
        content="A.\nB.",
        cut=['\n<tool_call>\n{"name": "now", "arguments": {"a": tru3}}\n</tool_call>'],
    ),
    Golden(
        "malformed, then whole", "none", "hermes", QWEN,
        '<tool_call>{"name": "now", "arguments": {"a" 1}}<tool_call>{"name": "now"}</tool_call>',
        cut=['<tool_call>{"name": "now", "arguments": {"a" 1}}'], calls=[("now", {})],
    ),
    Golden(
        "no call at all", "none", "hermes", QWEN, "<tool_call>get_weather(1)</tool_call>",
        content="<tool_call>get_weather(1)</tool_call>",
    ),
    Golden(
        "arguments that are a list", "none", "hermes", QWEN,
        '<tool_call>{"name": "now", "arguments": [1]}</tool_call>',
        content='<tool_call>{"name": "now", "arguments": [1]}</tool_call>',
    ),
    Golden(
        "half a character", "none", "hermes", QWEN,
        '<tool_call>{"name": "\\ud83d", "arguments": {}}</tool_call>',
        content='<tool_call>{"name": "\\ud83d", "arguments": {}}</tool_call>',
    ),
    # Tags within tags.
    Golden(
        "qwen3_coder", "none", "qwen3_coder", QWEN,
        "I look.\n\n<tool_call>\n<function=get_weather>\n<parameter=city>\nNew\n\"York\"\n"
        "</parameter>\n<parameter=days>\n3\n</parameter>\n<parameter=exact>\nTrue\n</parameter>\n"
        '<parameter=where>\n{"lat": 1.5}\n</parameter>\n<parameter=tags>\n["a"]\n</parameter>\n'
        "<parameter=note>\nnull\n</parameter>\n<parameter=unit>\nC\n</parameter>\n</function>\n"
        "</tool_call>",
        content="I look.",
        calls=[
            (
                "get_weather",
                {
                    "city": 'New\n"York"', "days": 3, "exact": True, "where": {"lat": 1.5},
                    "tags": ["a"], "note": None, "unit": "C",
                },
            )
        ],
    ),
    Golden(
        "qwen3_coder, values that are none of their types", "none", "qwen3_coder", QWEN,
        "<tool_call>\n<function=get_weather>\n<parameter=city>\n5\n</parameter>\n"
        "<parameter=days>\nsoon\n</parameter>\n<parameter=other>\n6\n</parameter>\n</function>\n"
        "</tool_call>",
        calls=[("get_weather", {"city": "5", "days": "soon", "other": "6"})],
    ),
    Golden(
        "qwen3_coder, lists as Python writes them", "none", "qwen3_coder", QWEN,
        "<tool_call>\n<function=get_weather>\n<parameter=tags>\n"
        "['it \\'is\\'', \"it's\", 'a \"b\"\\n\\xe9\\\\', None, True]\n</parameter>\n"
        "<parameter=where>\n{'lat': 1.5}\n</parameter>\n</function>\n</tool_call>",
        calls=[
            (
                "get_weather",
                {
                    "tags": ["it 'is'", "it's", 'a "b"\n\xe9\\', None, True],
                    "where": {"lat": 1.5},
                },
            )
        ],
    ),
    Golden(
        "qwen3_coder, lists that nobody writes so", "none", "qwen3_coder", QWEN,
        "<tool_call>\n<function=get_weather>\n<parameter=tags>\n['a', {1, 2}]\n</parameter>\n"
        "</function>\n</tool_call>",
        calls=[("get_weather", {"tags": "['a', {1, 2}]"})],
    ),
    Golden(
        "qwen3_coder, a value that is not closed", "none", "qwen3_coder", QWEN,
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n<parameter=city>\n"
        "<parameter=other>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
        calls=[
            ("get_weather", {"city": "Oslo\n<parameter=city>\n<parameter=other>", "days": 3})
        ],
    ),
    Golden(
        "qwen3_coder without its first tag", "none", "qwen3_coder", QWEN,
        "<function=now>\n</function>\n</tool_call>", calls=[("now", {})],
    ),
    Golden(
        "qwen3_coder, tags in a value", "none", "qwen3_coder", QWEN,
        "<tool_call>\n<function=get_weather>\n<parameter=city>\n</tool_call> a <b></function>\n\n"
        "</parameter>\n</function>\n</tool_call>",
        calls=[("get_weather", {"city": "</tool_call> a <b></function>\n"})],
    ),
    Golden(
        "qwen3_coder, tags in JSON", "none", "qwen3_coder", QWEN,
        '<tool_call>\n<function=get_weather>\n<parameter=tags>\n["</parameter>"]\n</parameter>\n'
        "</function>\n</tool_call>",
        calls=[("get_weather", {"tags": ["</parameter>"]})],
    ),
    Golden(
        "qwen3_coder cut", "none", "qwen3_coder", QWEN,
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nOsl",
        cut=["<tool_call>\n<function=get_weather>\n<parameter=city>\nOsl"],
    ),
    Golden(
        "qwen3_next, both forms", "none", "qwen3_next", QWEN,
        '<tool_call>\n<function=now>\n</function>\n</tool_call>\n<tool_call>\n{"name": "now", '
        '"arguments": {"a": 1}}\n</tool_call>',
        calls=[("now", {}), ("now", {"a": 1})],
    ),
    Golden(
        "glm4_moe", "glm4_moe", "glm4_moe", GLM,
        "\n<think>Rain?</think>\nI look.\n<tool_call>get_weather\n<arg_key>city</arg_key>\n"
        "<arg_value>Oslo</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n"
        "<arg_key>other</arg_key>\n<arg_value>[1, 2]</arg_value>\n</tool_call>\n"
        "<tool_call>now\n</tool_call>",
        thinking="Rain?", content="I look.",
        calls=[("get_weather", {"city": "Oslo", "days": 2, "other": [1, 2]}), ("now", {})],
    ),
    Golden(
        "glm4_moe without line breaks", "glm4_moe", "glm4_moe", GLM,
        "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Oslo</arg_value></tool_call>",
        calls=[("get_weather", {"city": "Oslo"})],
    ),
    Golden(
        "glm4_moe, no name", "glm4_moe", "glm4_moe", GLM, "<tool_call>\n</tool_call>",
        content="<tool_call>\n</tool_call>",
    ),
    Golden(
        "minimax_m2", "minimax_m2", "minimax_m2", MINIMAX,
        "Rain?\n</think>\n\nI look.\n<minimax:tool_call>\n<invoke name=\"get_weather\">\n"
        '<parameter name="city">Oslo</parameter>\n<parameter name="tags">["x"]</parameter>\n'
        '</invoke>\n<invoke name="now">\n</invoke>\n</minimax:tool_call>',
        ending="]~b]ai\n<think>\n", thinking="Rain?", content="I look.",
        calls=[("get_weather", {"city": "Oslo", "tags": ["x"]}), ("now", {})],
    ),
    Golden(
        "minimax_m2, no name", "none", "minimax_m2", MINIMAX,
        "<minimax:tool_call>\n<invoke name=>\n</invoke>\n</minimax:tool_call>",
        content="<minimax:tool_call>\n<invoke name=>\n</invoke>\n</minimax:tool_call>",
    ),
    # Sections.
    Golden(
        "kimi_k2", "kimi_k2", "kimi_k2", KIMI,
        "<think>Rain?</think>I look.<|tool_calls_section_begin|><|tool_call_begin|>"
        "functions.get_weather:0<|tool_call_argument_begin|>{\"city\": \"Oslo\"}<|tool_call_end|>"
        "<|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|>"
        "<|tool_calls_section_end|>",
        thinking="Rain?", content="I look.",
        calls=[("get_weather", {"city": "Oslo"}), ("now", {})],
        ids=["functions.get_weather:0", "functions.now:1"],
    ),
    Golden(
        "kimi_k2, thinking not closed", "kimi_k2", "kimi_k2", KIMI,
        "<think>Rain?<|tool_calls_section_begin|><|tool_call_begin|>functions.now:0"
        "<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
        thinking="Rain?", calls=[("now", {})], ids=["functions.now:0"], needs_tokens=True,
    ),
    Golden(
        "deepseek_v3", "deepseek_v3", "deepseek_v3", DEEPSEEK,
        "I look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n"
        '```json\n{"city": "Oslo"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function'
        "<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        content="I look.", calls=[("get_weather", {"city": "Oslo"}), ("now", {})],
    ),
    Golden(
        "deepseek_v3, as of V3.1", "deepseek_v3", "deepseek_v3", DEEPSEEK,
        "Rain?</think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>"
        '{"city": "Oslo"}<｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}'
        "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        ending="<｜Assistant｜><think>", thinking="Rain?",
        calls=[("get_weather", {"city": "Oslo"}), ("now", {})],
    ),
    Golden(
        "deepseek_v3 cut", "none", "deepseek_v3", DEEPSEEK,
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜>'
        '<｜tool▁call▁begin｜>now<｜tool▁sep｜>{"a',
        calls=[("now", {})], cut=['<｜tool▁call▁begin｜>now<｜tool▁sep｜>{"a'],
    ),
    # Llama, Mistral, Gemma.
    Golden(
        "llama3_json", "none", "llama3_json", LLAMA,
        '{"name": "get_weather", "parameters": {"city": "Oslo"}}; '
        '{"name": "now", "parameters": {}}',
        calls=[("get_weather", {"city": "Oslo"}), ("now", {})],
    ),
    Golden(
        "llama3_json after its tag", "none", "llama3_json", LLAMA,
        '<|python_tag|>{"type": "function", "function": "now", "parameters": {}}',
        calls=[("now", {})],
    ),
    Golden(
        "llama3_json, without semicolons", "none", "llama3_json", LLAMA,
        '{"name": "now", "parameters": {}}\n{"name": "now", "parameters": {"a": 1}}, {"b": 2}',
        content=', {"b": 2}', calls=[("now", {}), ("now", {"a": 1})],
    ),
    Golden(
        "llama3_json, an answer in JSON", "none", "llama3_json", LLAMA,
        '{"name": "Ada", "age": 36}\n',
        content='{"name": "Ada", "age": 36}\n',
    ),
    Golden(
        "mistral", "none", "mistral", MISTRAL,
        '[TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "Oslo"}, "id": "a1b2c3d4e"}, '
        '{"name": "now", "arguments": {}}]',
        calls=[("get_weather", {"city": "Oslo"}), ("now", {})],
    ),
    Golden(
        "mistral, an id that its template refuses", "none", "mistral", MISTRAL,
        "[TOOL_CALLS]now[CALL_ID]call_1[ARGS]{}", calls=[("now", {})],
    ),
    Golden(
        "magistral", "mistral", "mistral", (*MISTRAL, "[THINK]", "[/THINK]"),
        "[THINK]Rain? [THINK][/THINK]\nI look.[TOOL_CALLS]now[ARGS]{}",
        thinking="Rain? [THINK]", content="I look.", calls=[("now", {})],
    ),
    Golden(
        "mistral by names", "none", "mistral", MISTRAL,
        'I look.[TOOL_CALLS]get_weather[ARGS]{"city": "Oslo"}[TOOL_CALLS]now[CALL_ID]x1y2z3A4B'
        "[ARGS]{}",
        content="I look.", calls=[("get_weather", {"city": "Oslo"}), ("now", {})],
        ids=["x1y2z3A4B"],
    ),
    Golden(
        "function gemma", "none", "gemma", GEMMA,
        "<start_function_call>call:get_weather{city:<escape>Oslo, {N}<escape>,days:2,exact:true,"
        "unit:<escape>C<escape>}<end_function_call>",
        calls=[("get_weather", {"city": "Oslo, {N}", "days": 2, "exact": True, "unit": "C"})],
    ),
    Golden(
        "gemma 4", "none", "gemma", GEMMA4,
        'I look.<|tool_call>call:get_weather{city:<|"|>"Oslo"\n<|"|>,tags:[<|"|>a<|"|>,<|"|>b<|"|>'
        '],where:{<|"|>lat<|"|>:1.5},note:null}<tool_call|><|tool_call>call:now{}<tool_call|>',
        content="I look.",
        calls=[
            (
                "get_weather",
                {"city": '"Oslo"\n', "tags": ["a", "b"], "where": {"lat": 1.5}, "note": None},
            ),
            ("now", {}),
        ],
    ),
    Golden(
        "gemma 4, thinking", "gemma", "gemma", (*GEMMA4, "<|channel>", "<channel|>"),
        "<|channel>thought\nRain?\n<channel|>I look.<|tool_call>call:now{}<tool_call|>",
        thinking="Rain?", content="I look.", calls=[("now", {})],
    ),
    Golden(
        "gemma 4, thinking opened by the template", "gemma", "gemma",
        (*GEMMA4, "<|channel>", "<channel|>"), "So.\n<channel|>Yes.",
        ending="<|channel>thought\n", thinking="So.", content="Yes.",
    ),
    Golden(
        "gemma 3", "none", "gemma", GEMMA,
        '```tool_code\n{"name": "get_weather", "parameters": {"city": "Oslo"}}\n```',
        calls=[("get_weather", {"city": "Oslo"})],
    ),
    Golden(
        "gemma, code", "none", "gemma", GEMMA, '```json\n{"name": "Ada"}\n```\n',
        content='```json\n{"name": "Ada"}\n```\n',
    ),
    # Harmony.
    Golden(
        "harmony", "harmony", "harmony", HARMONY,
        "<|channel|>analysis<|message|>Rain?<|end|><|start|>assistant<|channel|>final<|message|>"
        "No < rain.<|return|>",
        ending=ASSISTANT, thinking="Rain?", content="No < rain.",
    ),
    Golden(
        "harmony, a call", "harmony", "harmony", HARMONY,
        "<|channel|>analysis<|message|>Rain?<|end|><|start|>assistant<|channel|>commentary<|message|>"
        "I look.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather "
        '<|constrain|>json<|message|>{"city": "Oslo"}<|call|>',
        ending=ASSISTANT, thinking="Rain?", content="I look.",
        calls=[("get_weather", {"city": "Oslo"})],
    ),
    Golden(
        "harmony, messages of one kind", "harmony", "harmony", HARMONY,
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary<|message|>b"
        "<|end|><|start|>assistant<|channel|>analysis<|message|>c<|end|><|start|>assistant"
        "<|channel|>final <|constrain|>json<|message|>{}<|return|>",
        ending=ASSISTANT, thinking="a\nc", content="b\n{}",
    ),
    Golden(
        "harmony, the recipient first", "harmony", "harmony", HARMONY,
        ' to=functions.now<|channel|>commentary json<|message|>{"a": 1}',
        ending=ASSISTANT, calls=[("now", {"a": 1})],
    ),
    Golden(
        "harmony, a call cut", "harmony", "harmony", HARMONY,
        '<|channel|>commentary to=functions.now<|message|>{"a": ',
        ending=ASSISTANT, cut=['<|channel|>commentary to=functions.now<|message|>{"a": '],
    ),
    Golden(
        "harmony, cut in a header", "harmony", "harmony", HARMONY,
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>fi",
        ending=ASSISTANT, thinking="Hm.",
    ),
    Golden(
        "harmony, cut in the header of a call", "harmony", "harmony", HARMONY,
        "<|channel|>commentary to=functions.no", ending=ASSISTANT,
        content="<|channel|>commentary to=functions.no",
    ),
    Golden(
        "harmony, no header", "harmony", "harmony", HARMONY, "Hello <|x|>\n", ending=ASSISTANT,
        content="Hello <|x|>\n",
    ),
    Golden(
        "harmony, thinking cut", "harmony", "none", HARMONY, "<|channel|>analysis<|message|>Rai",
        ending=ASSISTANT, thinking="Rai",
    ),
    Golden(
        "harmony, goes on", "harmony", "harmony", HARMONY, " and more<|return|>",
        ending="<|start|>assistant<|channel|>final<|message|>Some", content=" and more",
    ),
    Golden(
        "harmony, calls unread", "harmony", "none", HARMONY,
        "<|channel|>commentary to=functions.now<|message|>{}<|call|>", ending=ASSISTANT,
        content="<|channel|>commentary to=functions.now<|message|>{}<|call|>",
    ),
)  # fmt: skip
