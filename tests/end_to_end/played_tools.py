"""A server of tools as the API's description has it, with the weather alone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.models.transcripts import WEATHER_TOOL

WEATHER = {"sky": "snow", "celsius": -4}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer({"data": [WEATHER_TOOL]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert body == {"tool_name": "get_weather", "arguments": {"city": "Oslo"}}
        self._answer({"result": WEATHER})

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, value: Any) -> None:
        text = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@contextmanager
def played_tools() -> Iterator[str]:
    """Serve the tools, and return the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
