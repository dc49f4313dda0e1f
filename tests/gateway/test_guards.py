"""Who may ask. Every refusal comes before the core hears of the request."""

from typing import Any

import pytest
from multidict import CIMultiDict

from .conftest import Client, ScriptedCore, Start, chat_request

EVIL = "http://evil.com"


async def status_of(client: Client, headers: dict[str, str], method: str = "POST") -> int:
    """Return the status of a load request with these headers."""
    body = b'{"model_path": "m"}'
    options: dict[str, Any] = {"data": body} if method == "POST" else {}
    headers = {"Content-Type": "application/json"} | headers
    async with client.session.request(
        method, "/v1/admin/load-model", headers=headers, **options
    ) as response:
        assert "Access-Control-Allow-Origin" not in response.headers
        if response.status != 200:
            error = (await response.json())["error"]
            assert error["message"]
            assert error["code"]
        return response.status


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "evil.com:44468",
        "127.0.0.1.nip.io",
        "localhost.evil.com",
        "localhost:44468.evil.com",
        "evil.com/localhost",
        "user@localhost",
        "localhost@evil.com",
        "127.0.0.2",
        "0.0.0.0",
        "[::]",
        "::1",
        "[::1",
        "localhost.",
        "localhost:",
        "localhost:http",
        "",
    ],
)
async def test_a_host_that_is_not_ours_is_refused(
    client: Client, core: ScriptedCore, host: str
) -> None:
    assert await status_of(client, {"Host": host}) == 403
    assert core.requests == []


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:44468"],
)
async def test_a_loopback_name_passes_on_any_port(client: Client, host: str) -> None:
    assert await status_of(client, {"Host": host}) == 200


async def test_a_host_that_the_operator_allows_passes(start: Start) -> None:
    client = await start(allow_hosts=("Box.example",))
    assert await status_of(client, {"Host": "box.example:8080"}) == 200
    assert await status_of(client, {"Host": "box.example", "Origin": "https://box.example"}) == 200
    assert await status_of(client, {"Host": "other.example"}) == 403


@pytest.mark.parametrize(
    "origin",
    [
        EVIL,
        "https://evil.com",
        "null",
        "",
        "http://localhost.evil.com",
        "http://localhost:1@evil.com",
        "http://localhost/x",
        "ftp://localhost",
        "file://",
        "chrome-extension://abc",
    ],
)
async def test_an_origin_that_is_not_ours_is_refused(
    client: Client, core: ScriptedCore, origin: str
) -> None:
    assert await status_of(client, {"Origin": origin}) == 403
    assert core.requests == []


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:44468", "http://127.0.0.1", "https://[::1]:3000", "http://LOCALHOST"],
)
async def test_our_own_origins_pass(client: Client, origin: str) -> None:
    assert await status_of(client, {"Origin": origin, "Sec-Fetch-Site": "same-origin"}) == 200


async def test_no_origin_passes_but_not_across_sites(client: Client, core: ScriptedCore) -> None:
    assert await status_of(client, {}) == 200
    assert await status_of(client, {"Sec-Fetch-Site": "none"}) == 200
    core.requests.clear()
    assert await status_of(client, {"Sec-Fetch-Site": "cross-site"}) == 403
    async with client.get("/v1/models", headers={"Sec-Fetch-Site": "cross-site"}) as response:
        assert response.status == 403
    assert core.requests == []


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "application/jsonp",
        "application/json, text/plain",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/v1/admin/load-model", "/v1/admin/unload-model"])
async def test_a_body_that_does_not_say_it_is_json_is_415(
    client: Client, core: ScriptedCore, content_type: str, path: str
) -> None:
    headers = {"Content-Type": content_type}
    async with client.post(path, data=b'{"model_path": "m"}', headers=headers) as response:
        assert response.status == 415
        assert (await response.json())["error"]["code"] == "unsupported_media_type"
    assert core.requests == []


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=utf-8", 'application/json;charset="UTF-8"'],
)
async def test_json_in_utf8_is_taken(client: Client, content_type: str) -> None:
    assert await status_of(client, {"Content-Type": content_type}) == 200


@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost:3000"])
async def test_a_preflight_of_an_origin_that_was_not_allowed_gets_nothing(
    client: Client, core: ScriptedCore, origin: str
) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert await status_of(client, headers, "OPTIONS") in (403, 405)
    assert core.requests == []


async def test_an_allowed_origin_may_ask_and_read(start: Start) -> None:
    client = await start(allow_origins=("https://app.example",))
    headers = {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "a, b-c"}
    async with client.session.options("/v1/chat/completions", headers=headers | asked) as preflight:
        assert preflight.status == 204
        assert preflight.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert preflight.headers["Access-Control-Allow-Methods"] == "POST"
        assert preflight.headers["Access-Control-Allow-Headers"] == "a, b-c"
        assert preflight.headers["Vary"] == "Origin"
    for body in (chat_request(), chat_request(stream=True), {"model": 5}):
        async with client.post("/v1/chat/completions", json=body, headers=headers) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
            assert "Access-Control-Allow-Credentials" not in response.headers
            assert "Bodega-Model" in response.headers["Access-Control-Expose-Headers"]
    asked["Access-Control-Request-Headers"] = "a\tb"
    async with client.session.options("/health", headers=headers | asked) as response:
        assert "Access-Control-Allow-Headers" not in response.headers
    async with client.session.options("/nowhere", headers=headers | asked) as response:
        assert response.status == 404
    async with client.session.options("/openapi.json", headers=headers | asked) as response:
        assert response.headers["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert await status_of(client, {"Origin": "https://app.example.evil.com"}) == 403
    assert await status_of(client, {"Origin": "http://app.example"}) == 403


async def test_a_star_allows_no_origin(start: Start) -> None:
    client = await start(allow_origins=("*",))
    assert await status_of(client, {"Origin": EVIL}) == 403


async def test_a_header_that_comes_twice_is_none_of_its_values(
    client: Client, core: ScriptedCore
) -> None:
    for name, values, status in (
        ("Origin", ("http://localhost", EVIL), 403),
        ("Content-Type", ("application/json", "application/json"), 415),
    ):
        headers = CIMultiDict((name, value) for value in values)
        headers.setdefault("Content-Type", "application/json")
        path = "/v1/admin/load-model"
        async with client.post(path, data=b'{"model_path": "m"}', headers=headers) as response:
            assert response.status in (400, status)
    assert core.requests == []
