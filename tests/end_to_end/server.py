"""The real server as its users meet it: `bodega serve` in processes of its own."""

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import requests
from openai import AsyncOpenAI, OpenAI

from tests.process.program import Program, program

Json = dict[str, Any]


class Server:
    """A running `bodega serve`.

    Attributes:
        http: base URL, without a path.
        grpc: address of the gRPC port.
    """

    def __init__(self, running: Program) -> None:
        self._program = running
        listening = self._logged("listening")
        self.http: str = listening["http"]
        self.grpc: str = listening["grpc"]

    @property
    def pid(self) -> int:
        """The process id of the supervisor, the parent of core and gateway."""
        return self._program.pid

    def wait_loaded(self) -> None:
        """Wait until the model that the server was started with serves."""
        self._logged("loaded")

    def openai(self) -> OpenAI:
        """Return the official client, told to give up at the first error."""
        return OpenAI(base_url=f"{self.http}/v1", api_key="none", max_retries=0)

    def async_openai(self) -> AsyncOpenAI:
        """Return the official asynchronous client, told to give up at the first error."""
        return AsyncOpenAI(base_url=f"{self.http}/v1", api_key="none", max_retries=0)

    def channel(self) -> grpc.Channel:
        """Return a gRPC channel to the core."""
        return grpc.insecure_channel(self.grpc)

    def aio_channel(self) -> grpc.aio.Channel:
        """Return an asynchronous gRPC channel to the core."""
        return grpc.aio.insecure_channel(self.grpc)

    def get(self, path: str) -> requests.Response:
        """GET a path."""
        return requests.get(f"{self.http}{path}", timeout=60)

    def post(self, path: str, body: Json | None = None) -> requests.Response:
        """POST a JSON body, or none."""
        return requests.post(f"{self.http}{path}", json=body, timeout=60)

    def chat(self, **fields: Any) -> requests.Response:
        """POST a chat completion, greedy and to the loaded model unless told otherwise."""
        return self.post("/v1/chat/completions", {"model": "current", "temperature": 0, **fields})

    def stats(self) -> Json:
        """Return the queue's figures."""
        stats: Json = self.get("/v1/queue/stats").json()["queue_stats"]
        return stats

    def loaded_model(self) -> Json | None:
        """Return how the loaded model was loaded, without the memory that is taken now."""
        info: Json | None = self.get("/v1/admin/current-model").json()["model_info"]
        return info and {name: value for name, value in info.items() if name != "memory"}

    def log_line(self, message: str) -> Json:
        """Return the next log line with a message."""
        return self._logged(message)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the server by a signal and return its exit code."""
        self._program.send(number)
        return self._program.end()

    def send(self, number: signal.Signals) -> None:
        """Send the supervisor a signal."""
        self._program.send(number)

    def end(self) -> int:
        """Wait until no process of the server is left, and return the supervisor's exit code."""
        return self._program.end()

    @property
    def lines(self) -> list[str]:
        """What the server has written so far, as far as it was read."""
        return self._program.lines

    @property
    def written(self) -> list[str]:
        """What the server has written so far."""
        return self._program.written

    def _logged(self, message: str) -> Json:
        line: Json = json.loads(
            self._program.line(
                lambda line: line.startswith("{") and json.loads(line)["message"] == message
            )
        )
        return line


@contextmanager
def serve(*arguments: str, home: Path, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run `bodega serve` on free ports while the context lasts.

    Args:
        arguments: more arguments, such as --model.
        home: an empty folder for everything the server may write or look up.
        env: more variables.
    """
    command = ["-m", "bodega", "serve", "--port", "0", "--grpc-port", "0", "--log-format", "json"]
    environment = {
        "BODEGA_HOME": str(home / "bodega"),
        "HF_HOME": str(home / "huggingface"),
        # No test asks the real Hub; those with a played one say so.
        "HF_HUB_OFFLINE": "1",
        **(env or {}),
    }
    with program([*command, *arguments], environment) as running:
        server = Server(running)
        if "--model" in arguments:
            server.wait_loaded()
        yield server
