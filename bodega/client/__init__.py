"""A typed client of a running server.

    from bodega.client import Client

    with Client() as client:
        client.load("mlx-community/Qwen3-0.6B-4bit")
        for text in client.stream("What is the capital of France?"):
            print(text, end="", flush=True)

`AsyncClient` is the same for asyncio. Answers are the messages of the contract, of the package
`bodega_api.v1`; what goes wrong is a `CallError`.
"""

from bodega.client.aio import AsyncChatStream, AsyncClient
from bodega.client.chat_request import ChatOptions, Messages
from bodega.client.errors import UNREACHABLE, CallError
from bodega.client.model_requests import DownloadOptions, LoadOptions
from bodega.client.sync import ChatStream, Client

__all__ = [
    "UNREACHABLE",
    "AsyncChatStream",
    "AsyncClient",
    "CallError",
    "ChatOptions",
    "ChatStream",
    "Client",
    "DownloadOptions",
    "LoadOptions",
    "Messages",
]
