"""What the official OpenAI client gets from the server."""

import asyncio
from typing import Any

import openai
import pytest

from tests.end_to_end.conftest import WIDTH
from tests.end_to_end.server import Server
from tests.models import CHOICES, ENDLESS, TRANSCRIPTS, Transcript

PLAIN = [one for one in TRANSCRIPTS if not one.tools and one.enable_thinking is None]
BY_NAME = {one.name: one for one in TRANSCRIPTS}


def create(server: Server) -> Any:
    """Return the client's call; untyped, as the tests send what a type checker would refuse."""
    return server.openai().chat.completions.create


@pytest.mark.parametrize("transcript", PLAIN, ids=lambda one: one.name)
def test_a_chat_is_answered(server: Server, transcript: Transcript) -> None:
    answer = create(server)(model="current", messages=list(transcript.messages), temperature=0)
    (choice,) = answer.choices
    assert choice.message.content == transcript.content
    assert choice.message.role == "assistant"
    assert choice.finish_reason == "stop"
    assert answer.object == "chat.completion"
    assert answer.id.startswith("chatcmpl_")
    assert answer.model == "current"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@pytest.mark.parametrize("name", ["story", "emoji", "japanese", "nothing", "blank", "json"])
def test_a_stream_is_the_same_answer_in_pieces(server: Server, name: str) -> None:
    messages = list(BY_NAME[name].messages)
    whole = create(server)(model="current", messages=messages, temperature=0)
    chunks = list(
        create(server)(
            model="current",
            messages=messages,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    *deltas, usage = chunks
    assert deltas[0].choices[0].delta.role == "assistant"
    pieces = [chunk.choices[0].delta.content or "" for chunk in deltas]
    assert "".join(pieces) == whole.choices[0].message.content == BY_NAME[name].answer
    assert "\ufffd" not in "".join(pieces)
    assert [chunk.choices[0].finish_reason for chunk in deltas[:-1]] == [None] * (len(deltas) - 1)
    assert deltas[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in deltas)
    assert usage.choices == []
    for count in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert getattr(usage.usage, count) == getattr(whole.usage, count)
    assert len({chunk.id for chunk in chunks}) == 1


def test_without_the_option_a_stream_tells_no_usage(server: Server) -> None:
    chunks = list(
        create(server)(
            model="current", messages=list(BY_NAME["hello"].messages), temperature=0, stream=True
        )
    )
    assert all(chunk.usage is None for chunk in chunks)
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_a_token_limit_ends_the_answer(server: Server, limit: str) -> None:
    answer = create(server)(
        model="current",
        messages=list(BY_NAME["story"].messages),
        temperature=0,
        extra_body={limit: 5},
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 5
    text = answer.choices[0].message.content
    assert text
    assert BY_NAME["story"].answer.startswith(text)


def test_max_completion_tokens_wins_over_max_tokens(server: Server) -> None:
    answer = create(server)(
        model="current",
        messages=list(BY_NAME["story"].messages),
        temperature=0,
        max_tokens=50,
        max_completion_tokens=3,
    )
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3


def test_without_a_limit_an_answer_takes_what_is_left_of_the_context(server: Server) -> None:
    answer = create(server)(model="current", messages=list(ENDLESS), temperature=0)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 4096


@pytest.mark.parametrize("stop", ["STOP HERE NOW", ["never", "STOP HERE NOW"], "S", [", please"]])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["stop", "almost_stop"])
def test_a_stop_ends_the_answer_before_it(
    server: Server, name: str, stream: bool, stop: str | list[str]
) -> None:
    full = BY_NAME[name].answer
    places = [
        at for one in ([stop] if isinstance(stop, str) else stop) if (at := full.find(one)) >= 0
    ]
    ask = create(server)
    messages = list(BY_NAME[name].messages)
    if stream:
        pieces = [
            chunk.choices[0].delta.content or ""
            for chunk in ask(
                model="current", messages=messages, temperature=0, stop=stop, stream=True
            )
        ]
        text = "".join(pieces)
    else:
        answer = ask(model="current", messages=messages, temperature=0, stop=stop)
        text = answer.choices[0].message.content or ""
        assert answer.choices[0].finish_reason == "stop"
    assert text == full[: min(places, default=len(full))]


def test_a_seed_makes_sampling_repeatable_and_seeds_differ(server: Server) -> None:
    def ask(seed: int) -> str:
        answer = create(server)(
            model="current", messages=list(CHOICES[0].messages), temperature=1, seed=seed
        )
        return answer.choices[0].message.content or ""

    first = [ask(seed) for seed in range(12)]
    assert [ask(seed) for seed in range(12)] == first
    assert len(set(first)) > 3
    assert set(first) <= set(CHOICES[0].answers)


def test_without_a_seed_answers_vary(server: Server) -> None:
    answers = {
        create(server)(model="current", messages=list(CHOICES[0].messages))
        .choices[0]
        .message.content
        for _ in range(24)
    }
    assert len(answers) > 1


@pytest.mark.parametrize(
    "only_the_best",
    [{"temperature": 0}, {"top_p": 0}, {"extra_body": {"top_k": 1}}, {"extra_body": {"min_p": 1}}],
    ids=str,
)
def test_the_likeliest_token_alone_gives_one_answer(
    server: Server, only_the_best: dict[str, float]
) -> None:
    answers = {
        create(server)(
            model="current",
            messages=list(BY_NAME["japanese"].messages),
            **{"temperature": 2.0, **only_the_best},
        )
        .choices[0]
        .message.content
        for _ in range(3)
    }
    assert answers == {BY_NAME["japanese"].answer}


def test_penalties_change_the_answer(server: Server) -> None:
    def ask(**penalty: float) -> str:
        answer = create(server)(
            model="current",
            messages=list(ENDLESS),
            temperature=0,
            max_tokens=40,
            extra_body=penalty,
        )
        return answer.choices[0].message.content or ""

    plain = ask()
    assert plain.count("tick") > 8
    assert ask(frequency_penalty=2, presence_penalty=2) != plain
    assert ask(repetition_penalty=5) != plain
    assert ask(presence_penalty=0, repetition_penalty=1) == plain


def test_text_parts_are_joined(server: Server) -> None:
    parts = [
        {"type": "text", "text": "What is the "},
        {"type": "text", "text": "capital of France?"},
    ]
    answer = create(server)(
        model="current", messages=[{"role": "user", "content": parts}], temperature=0
    )
    assert answer.choices[0].message.content == BY_NAME["france"].answer


def test_template_arguments_reach_the_template(server: Server) -> None:
    one = BY_NAME["do_not_think"]
    answer = create(server)(
        model="current",
        messages=list(one.messages),
        temperature=0,
        extra_body={"chat_template_kwargs": {"enable_thinking": False}},
    )
    assert answer.choices[0].message.content == one.content


def test_the_answer_tells_model_and_request_id(server: Server) -> None:
    ask: Any = server.openai().chat.completions.with_raw_response.create
    raw = ask(
        model="tiny-chat",
        messages=list(BY_NAME["hello"].messages),
        temperature=0,
        extra_headers={"X-Request-Id": "mine-42"},
    )
    assert raw.headers["Bodega-Model"] == "tiny-chat"
    assert raw.headers["X-Request-Id"] == "mine-42"
    assert raw.parse().model == "tiny-chat"


async def test_thirty_two_chats_at_once_are_each_answered_as_alone(server: Server) -> None:
    chosen = [PLAIN[at % len(PLAIN)] for at in range(WIDTH)]
    async with server.async_openai() as client:

        async def ask(transcript: Transcript) -> str:
            asking: Any = client.chat.completions.create
            stream = await asking(
                model="current",
                messages=list(transcript.messages),
                temperature=0,
                stream=True,
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        answers = await asyncio.gather(*map(ask, chosen))
    assert answers == [one.content for one in chosen]


async def test_seeded_answers_are_the_same_alone_and_in_a_crowd(server: Server) -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"top_p": 0.9},
        {"extra_body": {"top_k": 20}},
        {"extra_body": {"min_p": 0.02}},
        {"presence_penalty": 0.5},
        {"frequency_penalty": 0.3},
        {"extra_body": {"repetition_penalty": 1.1}},
        {"top_p": 0.99, "presence_penalty": -0.5},
    ]
    async with server.async_openai() as client:

        async def ask(at: int) -> str | None:
            asking: Any = client.chat.completions.create
            answer = await asking(
                model="current",
                messages=list(CHOICES[at % len(CHOICES)].messages),
                temperature=1.2,
                seed=at,
                max_tokens=60,
                **settings[at % len(settings)],
            )
            return answer.choices[0].message.content

        alone = [await ask(at) for at in range(WIDTH)]
        assert await asyncio.gather(*map(ask, range(WIDTH))) == alone
    assert len(set(alone)) > len(CHOICES)


@pytest.mark.parametrize(
    ("fields", "error", "code", "param"),
    [
        ({"model": "gpt-4"}, openai.NotFoundError, "model_not_found", "model"),
        ({"temperature": 3}, openai.BadRequestError, "invalid_value", "temperature"),
        ({"store": True}, openai.BadRequestError, "unsupported_parameter", "store"),
        ({"messages": []}, openai.BadRequestError, "missing_parameter", "messages"),
    ],
)
def test_errors_are_those_the_client_knows(
    server: Server,
    fields: dict[str, object],
    error: type[openai.APIStatusError],
    code: str,
    param: str,
) -> None:
    request = {"model": "current", "messages": list(BY_NAME["hello"].messages), **fields}
    with pytest.raises(error) as raised:
        create(server)(**request)
    assert raised.value.code == code
    assert raised.value.param == param


def test_the_client_lists_the_model_and_finds_it(server: Server) -> None:
    models = server.openai().models.list().data
    assert [model.id for model in models] == ["tiny-chat"]
    assert server.openai().models.retrieve("tiny-chat").owned_by == "local"
