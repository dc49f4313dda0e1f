"""Who may ask: other sites and other names get nothing, and nothing happens for them."""

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.plain_http import Answer, exchange
from tests.end_to_end.refusals import refusal
from tests.end_to_end.server import Server, serve
from tests.models import TINY_CHAT, TRANSCRIPTS

HELLO = next(one for one in TRANSCRIPTS if one.name == "hello")
CHAT = json.dumps({"model": "current", "messages": HELLO.messages, "temperature": 0}).encode()
JSON = ("Content-Type", "application/json")
EVIL = "https://evil.example"

REQUESTS: list[tuple[str, str, bytes]] = [
    ("POST", "/v1/admin/unload-model", b""),
    ("POST", "/v1/admin/load-model", json.dumps({"model_path": str(TINY_CHAT)}).encode()),
    ("POST", "/v1/chat/completions", CHAT),
    ("POST", "/v1/chat/completions", CHAT[:-1] + b', "stream": true}'),
    ("GET", "/v1/admin/current-model", b""),
    ("GET", "/v1/models", b""),
    ("GET", "/v1/models/tiny-chat", b""),
    ("GET", "/v1/queue/stats", b""),
    ("GET", "/health", b""),
    ("GET", "/openapi.json", b""),
    ("GET", "/nothing/here", b""),
    ("DELETE", "/v1/models/tiny-chat", b""),
    ("OPTIONS", "/v1/chat/completions", b""),
]
"""A request for each path there is, and for some there are not; the first one would show."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server that its operator reaches by a name of theirs too."""
    with serve(
        *("--model", str(TINY_CHAT), "--allow-host", "Box.Example"),
        home=tmp_path_factory.mktemp("home"),
    ) as server:
        yield server
        assert server.stop() == 0


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """Return a server for which nothing may have happened in the test."""
    before = state(running)
    yield running
    assert state(running) == before


def state(server: Server) -> object:
    """Return what loading, unloading, deleting or generating would change."""
    stats = server.stats()
    del stats["tokens_per_second"]
    models = server.get("/v1/models").json()
    return server.get("/v1/admin/current-model").json(), models, stats


def all_refused(server: Server, headers: list[tuple[str, str]], code: str) -> None:
    """Check that every request with these headers is refused, for one reason."""
    for method, target, body in REQUESTS:
        answer = exchange(server, method, target, [*headers, JSON], body)
        refusal(answer, 403, code)
        assert_lets_no_page_read(answer)


def assert_lets_no_page_read(answer: Answer) -> None:
    """Check that nothing tells a browser to show an answer to a page of another site."""
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:44468", "127.0.0.1.nip.io", "localhost.evil.example"),
        *("localhost:44468.evil.example", "evil.example/localhost", "user@localhost", "127.0.0.2"),
        *("0.0.0.0", "[::]", "::1", "[::1", "192.168.0.7", "2130706433", "0x7f.1", "127.1", ""),
        *("localhost.", "localhost:", "localhost:x", "local host", "box.example.evil.example"),
    ],
)
def test_a_host_that_is_not_ours_gets_nothing(server: Server, host: str) -> None:
    all_refused(server, [("Host", host)], "forbidden_host")


def test_a_missing_host_and_two_hosts_get_nothing(server: Server) -> None:
    for headers in ([], [("Host", "localhost"), ("Host", "evil.example")]):
        for method, target, body in REQUESTS:
            answer = exchange(server, method, target, [*headers, JSON], body)
            assert answer.status_code in (400, 403)
            assert_lets_no_page_read(answer)


def test_a_target_that_names_another_host_gets_nothing(server: Server) -> None:
    for method, target, body in REQUESTS[:-1]:
        absolute = f"http://evil.example{target}"
        answer = exchange(server, method, absolute, [("Host", "localhost"), JSON], body)
        refusal(answer, 403, "forbidden_host")


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST", "127.0.0.1", "[::1]", "localhost:1", "127.0.0.1:65535"),
        *("[::1]:44468", "box.example", "BOX.example:443"),
    ],
)
def test_our_own_names_pass_on_any_port(running: Server, host: str) -> None:
    assert exchange(running, "GET", "/health", [("Host", host)]).status_code == 200
    answer = exchange(running, "POST", "/v1/chat/completions", [("Host", host), JSON], CHAT)
    assert answer.json()["choices"][0]["message"]["content"] == HELLO.answer
    assert_lets_no_page_read(answer)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_localhost_is_both_of_its_addresses(running: Server, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            pytest.skip(f"this machine has no {address}")
    assert exchange(running, "GET", "/health", address=address).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        *(
            EVIL,
            "http://evil.example:44468",
            "null",
            "",
            "file://",
            "http://localhost.evil.example",
        ),
        *("http://localhost@evil.example", "http://localhost/x", "http://127.0.0.1.nip.io"),
        *("chrome-extension://abc", "ws://localhost", "http://[::]", "https://box.example.evil"),
    ],
)
def test_a_page_of_another_site_gets_nothing(server: Server, origin: str) -> None:
    all_refused(server, [("Host", "localhost"), ("Origin", origin)], "forbidden_origin")


def test_what_a_browser_says_is_cross_site_gets_nothing(server: Server) -> None:
    headers = [("Host", "localhost"), ("Sec-Fetch-Site", "cross-site")]
    all_refused(server, headers, "forbidden_origin")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_preflight_of_another_site_gets_nothing(server: Server, method: str) -> None:
    headers = [
        ("Host", "localhost"),
        ("Origin", EVIL),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", "content-type"),
        ("Access-Control-Request-Private-Network", "true"),
    ]
    for target in {target for _, target, _ in REQUESTS}:
        answer = exchange(server, "OPTIONS", target, headers)
        refusal(answer, 403, "forbidden_origin")
        assert_lets_no_page_read(answer)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", CHAT),
        ("text/plain;charset=UTF-8", CHAT),
        ("application/x-www-form-urlencoded", b"model_path=x&model=current"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n{}\r\n--x--\r\n"),
        ("", CHAT),
    ],
)
@pytest.mark.parametrize("origin", [None, "null", EVIL])
def test_a_form_does_nothing(
    server: Server, content_type: str, body: bytes, origin: str | None
) -> None:
    headers = [("Host", "localhost"), ("Content-Type", content_type)]
    if origin is not None:
        headers.append(("Origin", origin))
    for path in ("/v1/chat/completions", "/v1/admin/load-model", "/v1/admin/unload-model"):
        answer = exchange(server, "POST", path, headers, body)
        if origin is None:
            refusal(answer, 415, "unsupported_media_type")
        else:
            refusal(answer, 403, "forbidden_origin")
        assert_lets_no_page_read(answer)


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:44468", "http://127.0.0.1", "http://[::1]:3000", "https://box.example"],
)
def test_pages_of_our_own_pass_and_no_other_may_read_the_answer(
    running: Server, origin: str
) -> None:
    headers = [("Host", "localhost"), ("Origin", origin), ("Sec-Fetch-Site", "same-origin"), JSON]
    answer = exchange(running, "POST", "/v1/chat/completions", headers, CHAT)
    assert answer.json()["choices"][0]["message"]["content"] == HELLO.answer
    assert_lets_no_page_read(answer)


@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_the_grpc_port_does_not_speak_http_as_browsers_do(server: Server, host: str) -> None:
    port = urlsplit(f"//{server.grpc}").port
    request = (
        f"POST /bodega.v1.Admin/UnloadModel HTTP/1.1\r\nHost: {host}\r\n"
        "Content-Type: application/grpc\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert not answer.startswith(b"HTTP/1.1 200")
