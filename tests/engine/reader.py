"""Reads an answer of the engine as it grows."""

import asyncio
from collections.abc import Sequence
from typing import Self

from bodega.engine.request import Delta, Finish, Generation
from bodega.engine.stream import AnswerStream
from bodega.engine.text_resident import TextResident


class Reader:
    """An asynchronous iterator over the deltas of an answer; those that wait are joined.

    Attributes:
        stream: the answer.
    """

    def __init__(self, stream: AnswerStream) -> None:
        self.stream = stream
        self._news = asyncio.Event()
        stream.on_news = self._news.set

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delta:
        while not (deltas := self.stream.take()):
            if self.stream._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return Delta(
            "".join([delta.text for delta in deltas]),
            sum([delta.tokens for delta in deltas]),
            deltas[-1].finish,
            logprobs=tuple([told for delta in deltas for told in delta.logprobs]),
        )


def readers(resident: TextResident, requests: Sequence[Generation]) -> list[Reader]:
    """Ask for answers together, and return what reads them."""
    return [Reader(stream) for stream in resident.generate(requests)]


def reader(resident: TextResident, request: Generation) -> Reader:
    """Ask for an answer, and return what reads it."""
    return readers(resident, [request])[0]


async def read(answer: Reader) -> tuple[str, int, Finish | None]:
    """Return an answer's text, how many tokens it took, and why it ended."""
    text, tokens, finish = "", 0, None
    async for delta in answer:
        text, tokens, finish = text + delta.text, tokens + delta.tokens, delta.finish
    return text, tokens, finish
