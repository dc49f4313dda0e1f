"""Chats with an OpenAI server, as a measurement sends them."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import aiohttp
import orjson

from bench.errors import BenchError
from bench.sse import Answer, Arrival, read_answer

Message = dict[str, str]
"""A message of a chat: its role and its content."""

_ANSWER_LIMIT_S: Final = 300.0
"""How long an answer may take before its server counts as hung."""

_JSON: Final = {"Content-Type": "application/json"}


class ChatClient:
    """Sends chats to one model of one server.

    Args:
        session: what carries them.
        base_url: the server's, as OpenAI's clients take it: it ends in /v1.
        model: the name of the model in the requests.
    """

    def __init__(self, session: aiohttp.ClientSession, *, base_url: str, model: str) -> None:
        self._session = session
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._model = model

    @classmethod
    @asynccontextmanager
    async def open(cls, *, base_url: str, model: str) -> AsyncIterator[Self]:
        """Give a client whose connections last as long as the context."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            # A timer for each read would cost as much as the read.
            timeout=aiohttp.ClientTimeout(total=_ANSWER_LIMIT_S),
        ) as session:
            yield cls(session, base_url=base_url, model=model)

    async def stream(self, messages: list[Message], **options: Any) -> Answer:
        """Stream one chat to its end.

        Args:
            messages: the chat.
            options: further members of the request; it is greedy without any.

        Raises:
            BenchError: it failed.
        """
        arrivals: list[Arrival] = []
        sent_s = time.perf_counter()
        await self.follow(messages, arrivals.append, **options)
        return read_answer(sent_s, arrivals)

    async def follow(
        self, messages: list[Message], arrived: Callable[[Arrival], Any], **options: Any
    ) -> None:
        """Stream one chat, and hand over each read of its body as it comes.

        Raises:
            BenchError: it failed.
        """
        usage = {"stream": True, "stream_options": {"include_usage": True}}
        async with self._post(messages, {**usage, **options}) as response:
            async for piece in response.content.iter_any():
                arrived((time.perf_counter(), piece))

    async def ask(self, messages: list[Message], **options: Any) -> dict[str, Any]:
        """Return the whole answer to one chat, as the server gives it at once.

        Raises:
            BenchError: it failed.
        """
        async with self._post(messages, options) as response:
            answer: dict[str, Any] = orjson.loads(await response.read())
        return answer

    @asynccontextmanager
    async def _post(
        self, messages: list[Message], options: dict[str, Any]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        body = {"model": self._model, "messages": messages, "temperature": 0, **options}
        try:
            async with self._session.post(
                self._url, data=orjson.dumps(body), headers=_JSON
            ) as response:
                if response.status != 200:
                    text = await response.text()
                    raise BenchError(f"The server answered {response.status}: {text}")
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BenchError(f"A request failed: {type(error).__name__}: {error}") from error


def user(content: str) -> Message:
    """Return a message of the user."""
    return {"role": "user", "content": content}
