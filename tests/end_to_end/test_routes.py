"""Requests that reach no RPC: paths, methods, content types and sizes."""

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import grpc
import pytest
import requests

from bodega.limits import MAX_BODY_BYTES
from tests.end_to_end.grpc_client import ReflectionClient
from tests.end_to_end.plain_http import exchange
from tests.end_to_end.refusals import grpc_refusal, refusal
from tests.end_to_end.server import Server

PLAIN = json.dumps(
    {
        "model": "current",
        "messages": [{"role": "user", "content": "Hello!"}],
        "temperature": 0,
        "max_tokens": 1,
    }
).encode()
JSON = {"Content-Type": "application/json"}
MEDIA = "unsupported_media_type"


@pytest.fixture(autouse=True)
def still_healthy(server: Server) -> Iterator[None]:
    """Check after each test that the server answers."""
    yield
    assert server.get("/health").status_code == 200


def post(server: Server, data: bytes | Iterator[bytes], **headers: str) -> requests.Response:
    """POST a chat request's bytes."""
    url = f"{server.http}/v1/chat/completions"
    return requests.post(url, data=data, headers={**JSON, **headers}, timeout=60)


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/v1", "/v1/", "/v2/models", "/v1/model", "/v1/models/", "/health/", "//health"),
        *("/v1/chat/completions/", "/v1/completion", "/v1/embeddings", "/v1/admin", "/HEALTH"),
        *("/v1/admin/load-model/x", "/v1/tools", "/metrics", "/docs/x", "/favicon.ico", "/.env"),
        *(
            "/../../etc/passwd",
            "/%2e%2e/etc/passwd",
            "/v1/%6dodels",
            "/health%00",
            "/" + "x" * 5000,
        ),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_path_that_nothing_has_is_404(server: Server, method: str, path: str) -> None:
    answer = exchange(server, method, path)
    assert "/openapi.json" in refusal(answer, 404, "unknown_path")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/chat/completions", {"POST"}),
        ("/v1/admin/load-model", {"POST"}),
        ("/v1/admin/unload-model", {"POST"}),
        ("/v1/admin/current-model", {"GET", "HEAD"}),
        ("/v1/models", {"GET", "HEAD"}),
        ("/v1/models/some/model", {"GET", "HEAD", "DELETE"}),
        ("/v1/queue/stats", {"GET", "HEAD"}),
        ("/health", {"GET", "HEAD"}),
        ("/openapi.json", {"GET", "HEAD"}),
    ],
)
def test_a_method_that_a_path_does_not_take_is_405_and_those_it_takes_are_named(
    server: Server, path: str, allowed: set[str]
) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - allowed:
        answer = requests.request(method, f"{server.http}{path}", timeout=60)
        refusal(answer, 405, "method_not_allowed")
        assert {name.strip() for name in answer.headers["Allow"].split(",")} == allowed
    if "HEAD" in allowed and "some" not in path:
        head = requests.head(f"{server.http}{path}", timeout=60)
        assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("nosuch", "'nosuch'"),
        ("SRSWTI/bodega-raptor-8b-mxfp4", "'SRSWTI/bodega-raptor-8b-mxfp4'"),
        ("SRSWTI%2Fbodega-raptor-8b-mxfp4", "'SRSWTI/bodega-raptor-8b-mxfp4'"),
        ("tiny-chat/x", "'tiny-chat/x'"),
        ("..%2f..%2fetc%2fpasswd", "'../../etc/passwd'"),
        ("%2Fetc%2Fpasswd", "'/etc/passwd'"),
        ("%00", r"'\x00'"),
        ("a%0d%0ab", r"'a\r\nb'"),
        ("%1b[2J", r"'\x1b[2J'"),
        ("x" * 7000, "'" + "x" * 200 + "...'"),
        ("%F0%9F%8E%89" * 600, "'" + "🎉" * 200 + "...'"),
    ],
)
def test_an_id_that_no_model_has_is_404(server: Server, path: str, shown: str) -> None:
    message = refusal(server.get(f"/v1/models/{path}"), 404, "model_not_found", "model")
    assert shown in message
    assert "/v1/models" in message
    with server.channel() as channel:
        client = ReflectionClient(channel)
        request = {"model": requests.utils.unquote(path)}
        assert message == grpc_refusal(
            lambda: client.unary("Models.GetModel", request),
            grpc.StatusCode.NOT_FOUND,
            "model_not_found",
            "model",
        )


def test_over_grpc_an_id_must_be_given(server: Server) -> None:
    with server.channel() as channel:
        client = ReflectionClient(channel)
        grpc_refusal(
            lambda: client.unary("Models.GetModel", {}),
            grpc.StatusCode.INVALID_ARGUMENT,
            "missing_parameter",
            "model",
        )


def test_an_id_that_is_not_utf8_is_400(server: Server) -> None:
    refusal(server.get("/v1/models/%ff%fe"), 400, "invalid_value", "model")


def test_a_loaded_model_is_found_by_each_of_its_names(server: Server) -> None:
    path = server.get("/v1/admin/current-model").json()["model_info"]["model_path"]
    for name in ("tiny-chat", "current", requests.utils.quote(path, safe="")):
        answer = server.get(f"/v1/models/{name}")
        assert answer.status_code == 200
        assert answer.json()["id"] == "tiny-chat"


def test_a_query_with_a_wrong_value_is_refused(server: Server) -> None:
    answer = server.get("/v1/models?verify_with_hub=perhaps")
    refusal(answer, 400, "invalid_value", "verify_with_hub")
    assert server.get("/v1/models?verify_with_hub=false").status_code == 200
    assert server.get("/v1/models?zebra=1").headers["Bodega-Ignored-Fields"] == "zebra"


@pytest.mark.parametrize(
    "content_type",
    [
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
        *("application/json; charset=latin-1", "application/jsonlines", "text/json", ""),
    ],
)
def test_a_body_that_does_not_say_it_is_json_is_415(server: Server, content_type: str) -> None:
    message = refusal(post(server, PLAIN, **{"Content-Type": content_type}), 415, MEDIA)
    assert "application/json" in message


def test_a_body_without_a_content_type_is_415(server: Server) -> None:
    answer = exchange(server, "POST", "/v1/chat/completions", body=PLAIN)
    refusal(answer, 415, MEDIA)


def test_a_body_as_large_as_may_be_is_taken(server: Server) -> None:
    assert post(server, PLAIN.ljust(MAX_BODY_BYTES)).status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_413(server: Server, chunked: bool) -> None:
    body = PLAIN.ljust(MAX_BODY_BYTES + 1)
    answer = post(server, iter([body]) if chunked else body)
    message = refusal(answer, 413, "body_too_large")
    assert "32 MiB" in message


def test_a_body_that_says_it_is_over_the_limit_is_refused_before_it_comes(server: Server) -> None:
    address = urlsplit(server.http)
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
        f"\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", ["/v1/admin/load-model", "/v1/admin/unload-model"])
@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b"{", b'"x"'])
def test_a_body_that_is_no_object_is_refused_everywhere(
    server: Server, path: str, body: bytes
) -> None:
    answer = requests.post(f"{server.http}{path}", data=body, headers=JSON, timeout=60)
    refusal(answer, 400, "invalid_value", "body")
    assert server.get("/health").json()["model_id"] == "tiny-chat"
