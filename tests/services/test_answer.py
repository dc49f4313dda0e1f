"""An answer of several choices ends as one."""

import logging

import pytest

from bodega.backends.base import Sampling
from bodega.engine.request import Delta, Finish
from bodega.engine.stream import AnswerStream
from bodega.errors import BodegaError, SlowReader
from bodega.services.answer import Answer
from bodega.services.chat_choice import ChatChoice, ChatPiece
from bodega.services.generation_request import GenerationRequest


def answer_of(streams: list[AnswerStream]) -> Answer[ChatPiece]:
    return Answer(
        [ChatChoice(at, stream, None, one_call=False) for at, stream in enumerate(streams)],
        GenerationRequest(model="current", sampling=Sampling(), n=len(streams)),
        kind="chat",
        id="chatcmpl_1",
        model_id="scripted",
        prompt_tokens=1,
        begin_s=0.0,
    )


def told(records: list[logging.LogRecord]) -> list[str]:
    """Return how the log has it that answers ended."""
    return [record.__dict__["fields"]["finish"] for record in records]


async def test_a_choice_that_fails_ends_the_answer_and_nobody_goes_on_with_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    left: list[BodegaError | None] = []
    streams = [AnswerStream(cancel=left.append) for _ in range(3)]
    answer = answer_of(streams)
    streams[0].push(Delta("a", 1, Finish.STOP))
    streams[1].push(Delta("b", 1))
    streams[1].fail(SlowReader())
    streams[2].push(Delta("c", 1))
    pieces = [await anext(answer) for _ in range(3)]
    assert [piece.choice for piece in pieces] == [0, 1, 2]
    with pytest.raises(SlowReader):
        await anext(answer)
    assert not answer.has_ended
    answer.cancel()
    # The first had ended, the second had failed.
    assert left == [None]
    assert told(caplog.records) == [SlowReader.code]


async def test_a_choice_that_says_much_does_not_keep_the_others_waiting() -> None:
    streams = [AnswerStream(cancel=lambda _: None) for _ in range(2)]
    answer = answer_of(streams)
    streams[1].push(Delta("other", 1))
    order = []
    for _ in range(2):
        streams[0].push(Delta("much", 1))
        order.append((await anext(answer)).choice)
    assert order == [0, 1]
    streams[0].push(Delta("more", 1, Finish.STOP))
    streams[1].push(Delta("", 1, Finish.LENGTH))
    rest = [(piece.choice, "".join([part.text for part in piece.parts])) async for piece in answer]
    assert rest == [(0, "muchmore"), (1, "")]
    assert answer.has_ended
    assert answer.completion_tokens == 5
