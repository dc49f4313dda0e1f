"""An OpenAI server that plays a part: it answers at once, as a test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


class PlayedServer:
    """Answers every chat alike.

    Attributes:
        base_url: what a load generator is given.
        requests: the bodies that came.
        prompt_tokens: what it says of every prompt, or how it counts those of a chat's messages.
        cached_tokens: what it says that it knew of every prompt; None to say nothing.
        missing_tokens: how many tokens it says less than it was asked for.
        streams: whether it sends each token by itself.
        status: of its responses.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self.requests: list[dict[str, Any]] = []
        self.prompt_tokens: int | Callable[[list[dict[str, str]]], int] = 65
        self.cached_tokens: int | None = None
        self.missing_tokens = 0
        self.streams = True
        self.status = 200

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer one chat."""
        body = await request.json()
        self.requests.append(body)
        if self.status != 200:
            return web.json_response({"error": {"message": "no"}}, status=self.status)
        tokens = body["max_tokens"] - self.missing_tokens
        usage = self._usage(body, tokens)
        if not body.get("stream"):
            return web.json_response({"choices": [], "usage": usage})
        texts = ["x"] * tokens if self.streams else ["x" * tokens]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(event(choices=[{"delta": {"role": "assistant", "content": ""}}]))
        for text in texts:
            await response.write(event(choices=[{"delta": {"content": text}}]))
            await asyncio.sleep(0.001)
        await response.write(event(choices=[], usage=usage) + b"data: [DONE]\n\n")
        return response

    def _usage(self, body: dict[str, Any], tokens: int) -> dict[str, Any]:
        counted = self.prompt_tokens
        prompt_tokens = counted if isinstance(counted, int) else counted(body["messages"])
        usage: dict[str, Any] = {"prompt_tokens": prompt_tokens, "completion_tokens": tokens}
        if self.cached_tokens is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": self.cached_tokens}
        return usage


def event(**members: Any) -> bytes:
    """Return one event of a chat's stream."""
    return f"data: {json.dumps(members)}\n\n".encode()


@asynccontextmanager
async def played_server() -> AsyncIterator[PlayedServer]:
    """Run one while the context lasts."""
    played = PlayedServer()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", played.chat)
    async with TestServer(app, host="127.0.0.1") as server:
        played.base_url = str(server.make_url("/v1"))
        yield played
