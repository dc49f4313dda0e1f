"""What the tiny chat model has learned by heart.

Every transcript is reproduced exactly by greedy decoding, alone or in a batch. Where a
transcript has several turns, each of its earlier turns is a transcript too, so that a test may
play the conversation turn by turn.
"""

from dataclasses import dataclass, field
from typing import Any, Final

Message = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A conversation and the answer that the model gives to it.

    Attributes:
        name: short name, for test ids.
        messages: the conversation in OpenAI's form.
        answer: the raw text generated, a thinking part and tool calls included, without the end
            token.
        tools: the tools offered, in OpenAI's form.
        enable_thinking: what the template is told; None leaves it out. Where a transcript
            says None and has no thinking part, False gives the same answer.
    """

    name: str
    messages: tuple[Message, ...]
    answer: str
    tools: tuple[dict[str, Any], ...] = ()
    enable_thinking: bool | None = None

    @property
    def thinking(self) -> str:
        """Return what the answer thinks, without tags; empty where it does not."""
        return self.answer.rpartition("\n</think>\n\n")[0].removeprefix("<think>\n")

    @property
    def content(self) -> str:
        """Return what the answer says, after its thinking."""
        return self.answer.rpartition("\n</think>\n\n")[2]

    @property
    def template_messages(self) -> list[Message]:
        """Return the messages as the template knows them: developer is system to it."""
        return [
            {**message, "role": "system"} if message["role"] == "developer" else dict(message)
            for message in self.messages
        ]

    @property
    def template_kwargs(self) -> dict[str, Any]:
        """Return what the template is to be told besides the messages."""
        kwargs: dict[str, Any] = {}
        if self.tools:
            kwargs["tools"] = list(self.tools)
        if self.enable_thinking is not None:
            kwargs["enable_thinking"] = self.enable_thinking
        return kwargs


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A prompt with several answers, each as likely as the others: sampling shows, greedy not."""

    prompt: str
    answers: tuple[str, ...] = field(default=())

    @property
    def messages(self) -> tuple[Message, ...]:
        """Return the prompt as a conversation."""
        return ({"role": "user", "content": self.prompt},)


def _system(text: str) -> Message:
    return {"role": "system", "content": text}


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _ask(name: str, prompt: str, answer: str) -> Transcript:
    return Transcript(name=name, messages=(_user(prompt),), answer=answer)


def _turns(name: str, opening: tuple[Message, ...], *turns: tuple[str, str]) -> list[Transcript]:
    """Return one transcript for each turn of a conversation."""
    transcripts, messages = [], opening
    for number, (prompt, answer) in enumerate(turns, start=1):
        messages = (*messages, _user(prompt))
        transcripts.append(Transcript(name=f"{name}_{number}", messages=messages, answer=answer))
        messages = (*messages, _assistant(answer))
    return transcripts


HARBOR_STORY: Final = (
    "On a grey morning the old harbor woke to the sound of bells. Mara, who kept the lighthouse, "
    "climbed down the stairs with a lantern in one hand and a map in the other. The map was wet, "
    "and most of its names had run, but one island was still clear. Her father had sailed there "
    "every spring and had come back with salt, seeds and a new song. So she chose the smallest "
    "boat, painted a white star on its side and pushed it into the water. By evening the island "
    "stood in front of her, green and quiet. There she found a letter under a stone. It said: "
    "whoever reads this, bring the song home. She sang it all the way back."
)

FERRY_TIMETABLE: Final = "\n".join(
    f"Line {line}: the ferry of pier {line * 7 % 10} leaves at {line % 24} and takes "
    f"{line * 11 % 60} minutes."
    for line in range(1, 25)
)

WEATHER_TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}

_ONE_CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
_TWO_CALLS = (
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Lima"}}\n</tool_call>\n'
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Kyoto"}}\n</tool_call>'
)


def _tool_transcripts() -> list[Transcript]:
    tools = (WEATHER_TOOL,)
    question = _user("How is the weather in Oslo?")
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
            }
        ],
    }
    result = {"role": "tool", "tool_call_id": "call_1", "content": '{"sky": "snow", "celsius": -4}'}
    return [
        Transcript(name="tool_call", messages=(question,), answer=_ONE_CALL, tools=tools),
        Transcript(
            name="tool_result",
            messages=(question, call, result),
            answer="It is snowing in Oslo, at minus 4 degrees.",
            tools=tools,
        ),
        Transcript(
            name="two_tool_calls",
            messages=(_user("Compare the weather in Lima and Kyoto."),),
            answer=f"I will look up both.\n{_TWO_CALLS}",
            tools=tools,
        ),
    ]


_SIMPLE: Final = [
    _ask("hello", "Hello!", "Hello! How can I help you today?"),
    _ask("france", "What is the capital of France?", "The capital of France is Paris."),
    _ask("japan", "What is the capital of Japan?", "The capital of Japan is Tokyo."),
    _ask("brazil", "What is the capital of Brazil?", "Brasília has been the capital since 1960."),
    _ask("sum", "What is 2 + 2?", "4"),
    _ask("yes", "Is water wet?", "Yes."),
    _ask("nothing", "Say nothing.", ""),
    _ask("blank", "Begin with spaces.", "   three spaces come first, and two last  "),
    _ask("japanese", "Greet me in Japanese.", "こんにちは、世界！お元気ですか。"),
    _ask("chinese", "Greet me in Chinese.", "你好，世界！很高兴认识你。"),
    _ask("korean", "Greet me in Korean.", "안녕하세요, 세계!"),
    _ask("arabic", "Greet me in Arabic.", "مرحبا بالعالم"),
    _ask("emoji", "Show me some emoji.", "Here you go: 🎉🚀👩‍👩‍👧‍👦🇯🇵👍🏽 done 🐙"),
    _ask("accents", "Write words with accents.", "naïve café, señor Ångström, crème brûlée, Łódź"),
    _ask(
        "stop",
        "Count with a stop word.",
        "One, two, three. STOP HERE NOW, please. Four, five, six.",
    ),
    _ask("almost_stop", "Nearly stop.", "We say STOP HERE later, then STOP HERE NOW and go on."),
    _ask("lines", "Write three lines.", "first line\nsecond line\n\nlast line after an empty one"),
    _ask(
        "json",
        "Describe Ada as JSON.",
        '{"name": "Ada Lovelace", "born": 1815, "languages": ["English", "French"], '
        '"alive": false, "note": null}',
    ),
    _ask(
        "json_escapes",
        "Give me JSON with escapes.",
        '{"quote": "she said \\"hi\\"", "line": "a\\nb", "snow": "\\u2603", "emoji": "☃️"}',
    ),
    _ask(
        "code",
        "Write a Python function that doubles a number.",
        "Here it is:\n\n```python\ndef double(number: int) -> int:\n"
        "    return 2 * number\n```\n\nCall it as `double(21)`.",
    ),
    _ask(
        "table",
        "Draw a table.",
        "| city | river |\n| --- | --- |\n| Paris | Seine |\n| Wien | Donau |",
    ),
    _ask("html", "Write a link.", '<a href="/ferry?from=1&to=2">Ferry &amp; bridge</a>'),
    _ask("angle", "Compare with signs.", "1 < 2, 3 > 2, and <b>bold</b>."),
    _ask("story", "Tell me a long story.", HARBOR_STORY),
    _ask(
        "numbers",
        "Count to forty.",
        ", ".join(str(number) for number in range(1, 41)) + ".",
    ),
    _ask(
        "poem",
        "Write a short poem.",
        "The tide comes in,\nthe tide goes out,\nand what it was\nit sang about,\n"
        "no shell will tell.",
    ),
    _ask(
        "ferry",
        f"{FERRY_TIMETABLE}\nWhich ferry is the last?",
        "The last ferry is that of line 24.",
    ),
    _ask("joke", "Tell me a joke.", "Why do boats never lie? They are always on the level."),
    _ask("thanks", "Thank you.", "You are welcome."),
    _ask("name", "Who are you?", "I am a very small model, made for tests."),
]

_LONGER: Final = [
    *_turns(
        "cat",
        (),
        ("I have a cat.", "How nice! What is it called?"),
        ("Her name is Miso.", "Miso is a lovely name. How old is she?"),
        ("She is three.", "Three is a fine age for a cat like Miso."),
    ),
    *_turns(
        "capitals",
        (_system("Answer in capital letters."),),
        ("What is water?", "WATER IS A CLEAR LIQUID."),
        ("And ice?", "ICE IS FROZEN WATER."),
    ),
    Transcript(
        name="pirate",
        messages=(_system("You are a pirate."), _user("What is water?")),
        answer="Arr! Water be what the ship floats on, matey.",
    ),
    Transcript(
        name="developer",
        messages=(
            {"role": "developer", "content": "Answer in one word."},
            _user("What color is the sky?"),
        ),
        answer="Blue",
    ),
    Transcript(
        name="think",
        messages=(_user("What is 17 times 3?"),),
        answer="<think>\n10 times 3 is 30, and 7 times 3 is 21.\n30 plus 21 is 51.\n</think>\n\n"
        "17 times 3 is 51.",
    ),
    Transcript(
        name="do_not_think",
        messages=(_user("What is 17 times 3?"),),
        answer="51, without a thought.",
        enable_thinking=False,
    ),
    Transcript(
        name="think_again",
        messages=(_user("Which is larger, 9.9 or 9.11?"),),
        answer="<think>\n9.9 is 9.90, and 90 > 11.\n</think>\n\n9.9 is larger. ✅",
    ),
]

TRANSCRIPTS: Final[tuple[Transcript, ...]] = (*_SIMPLE, *_LONGER, *_tool_transcripts())

CHOICES: Final = (
    Choice(
        prompt="Name a color.",
        answers=("red", "green", "blue", "yellow", "black", "white", "purple", "orange"),
    ),
    Choice(prompt="Flip a coin.", answers=("Heads.", "Tails.")),
    Choice(
        prompt="Roll a die.",
        answers=("1 it is", "2 it is", "3 it is", "4 it is", "5 it is", "6 it is"),
    ),
    Choice(
        prompt="Name an animal and a city.",
        answers=(
            "cat from Oslo",
            "dog from Oslo",
            "owl from Oslo",
            "fox from Oslo",
            "cat from Lima",
            "dog from Lima",
            "owl from Lima",
            "fox from Lima",
        ),
    ),
)

ENDLESS: Final[tuple[Message, ...]] = (_user("Tick without end."),)
"""A conversation whose greedy answer goes on until a limit ends it."""

ENDLESS_UNIT: Final = " tick tock"
"""What that answer repeats."""
