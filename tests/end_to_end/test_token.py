"""A server with a token, on all addresses: strangers get its health, and the page that asks."""

import os
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import openai
import pytest
import requests
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.end_to_end.grpc_client import ReflectionClient
from tests.end_to_end.plain_http import exchange
from tests.end_to_end.server import Server, serve
from tests.end_to_end.test_grpc import error_details
from tests.models import TINY_CHAT, TRANSCRIPTS

TOKEN = "canary-t0ken-5e1f"
BEARER = f"Bearer {TOKEN}"
HELLO = next(one for one in TRANSCRIPTS if one.name == "hello")
METHODS = (
    "/bodega.v1.Admin/UnloadModel",
    "/bodega.v1.Admin/GetHealthX",
    "/bodega.v1.Inference/StreamChatCompletion",
    "/bodega.v1.Models/ListModels",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/grpc.health.v1.Healthy/Check",
    "/no.such.Service/Method",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server on all addresses of this machine; its token is in a file."""
    home = tmp_path_factory.mktemp("home")
    secret = home / "secret"
    secret.write_text(f"{TOKEN}\n")
    arguments = ("--host", "0.0.0.0", "--token-file", str(secret), "--model", str(TINY_CHAT))
    with serve(*arguments, home=home) as running:
        yield running
        assert running.stop() == 0
        assert TOKEN not in "\n".join(running.lines)


def port(server: Server) -> int:
    """Return the HTTP port."""
    found = urlsplit(server.http).port
    assert found is not None
    return found


def get(server: Server, path: str, *, address: str = "127.0.0.1", **headers: str) -> Any:
    """GET a path at one of the server's addresses."""
    url = f"http://{address}:{port(server)}{path}"
    return requests.get(url, headers=headers, timeout=60)


def channel(server: Server) -> grpc.Channel:
    """Return a gRPC channel that shows no token."""
    return grpc.insecure_channel(f"127.0.0.1:{urlsplit(f'//{server.grpc}').port}")


def own_address() -> str:
    """Return an address of this machine that is not the loopback's, if it has a route at all."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has the loopback address only")
        return str(probe.getsockname()[0])


def test_http_answers_health_and_docs_alone_without_the_token(server: Server) -> None:
    assert get(server, "/health").json()["status"] == "ok"
    assert get(server, "/docs").headers["Content-Type"].startswith("text/html")
    for path in ("/v1/models", "/openapi.json", "/nothing", "/v1/admin/current-model"):
        answer = get(server, path)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "missing_api_key"
        assert get(server, path, Authorization="Bearer no").status_code == 401
    assert get(server, "/v1/models", Authorization=BEARER).status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        *("//health", "/health/../v1/models", "/./health", "/%68ealth", "/health%2f", "/HEALTH"),
        *("/health;x", "/health%00", "http://localhost//health", "*", "/v1/models?/health"),
        *("//docs", "/docs/../v1/models", "/docs%2f", "/docs/..", "/DOCS", "/docs/page.js/x"),
    ],
)
def test_what_only_looks_like_health_or_docs_needs_the_token(server: Server, target: str) -> None:
    answer = exchange(server, "GET", target, address="127.0.0.1")
    assert answer.status_code in (400, 401)


def test_other_machines_reach_it_by_its_address(server: Server) -> None:
    address = own_address()
    assert get(server, "/v1/models", address=address).status_code == 401
    assert get(server, "/v1/models", address=address, Authorization=BEARER).status_code == 200


def test_openais_client_shows_its_key(server: Server) -> None:
    base = f"http://127.0.0.1:{port(server)}/v1"
    messages: Any = list(HELLO.messages)
    with openai.OpenAI(base_url=base, api_key=TOKEN) as client:
        for stream in (False, True):
            answer: Any = client.chat.completions.create(
                model="current", messages=messages, temperature=0, stream=stream
            )
            text = (
                "".join(chunk.choices[0].delta.content or "" for chunk in answer)
                if stream
                else answer.choices[0].message.content
            )
            assert text == HELLO.answer
    with (
        openai.OpenAI(base_url=base, api_key="no") as stranger,
        pytest.raises(openai.AuthenticationError) as raised,
    ):
        stranger.models.list()
    assert raised.value.code == "invalid_api_key"


def refused(call: Callable[[], Any]) -> str:
    """Check that a call is refused for want of the token, and return the reason."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    assert raised.value.code() == grpc.StatusCode.UNAUTHENTICATED
    info, _ = error_details(raised.value)
    assert info.domain == "bodega"
    assert TOKEN not in str(raised.value)
    return str(info.reason)


@pytest.mark.parametrize("method", METHODS)
def test_no_rpc_answers_without_the_token(server: Server, method: str) -> None:
    with channel(server) as strange:
        assert refused(lambda: strange.unary_unary(method)(b"", timeout=60)) == "MISSING_API_KEY"
        stream = strange.stream_stream(method)
        never_sends: Iterator[bytes] = iter(())
        assert refused(lambda: [*stream(never_sends, timeout=60)]) == "MISSING_API_KEY"
        for value in ("Bearer no", f"Bearer {TOKEN}x", TOKEN.upper()):
            shown = (("authorization", value),)
            refused(partial(strange.unary_unary(method), b"", timeout=60, metadata=shown))
        twice = (("authorization", BEARER), ("authorization", BEARER))
        refused(lambda: strange.unary_unary(method)(b"", timeout=60, metadata=twice))


def test_rpcs_answer_who_shows_the_token(server: Server) -> None:
    shown = (("authorization", BEARER),)
    with channel(server) as known:
        call = known.unary_unary("/bodega.v1.Models/ListModels")
        assert call(b"", timeout=60, metadata=shown)
        with pytest.raises(grpc.RpcError) as raised:
            known.unary_unary("/no.such.Service/Method")(b"", timeout=60, metadata=shown)
        assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_health_of_grpc_needs_no_token(server: Server) -> None:
    with channel(server) as strange:
        assert strange.unary_unary("/bodega.v1.Admin/GetHealth")(b"", timeout=60)
        health = health_pb2_grpc.HealthStub(strange)
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=60)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()
        with pytest.raises(grpc.RpcError):
            ReflectionClient(strange).services()


def test_no_argument_of_a_process_holds_the_token(server: Server) -> None:
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("arguments are looked up under /proc")
    shown = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            shown.append((process / "cmdline").read_bytes())
        except OSError:
            continue
    assert any(b"bodega" in one and b"gateway" in one for one in shown)
    assert os.fsencode(TOKEN) not in b"\n".join(shown)
