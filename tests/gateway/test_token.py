"""The token: who shows it may ask, and the core hears who asked."""

import pytest
from multidict import CIMultiDict

from .conftest import Client, Context, ScriptedCore, Start, chat_answer

TOKEN = "k33p-0ut"
SHOWN = {"Authorization": f"Bearer {TOKEN}"}
PATHS = (
    "/v1/models",
    "/v1/models/a/b",
    "/v1/queue/stats",
    "/v1/admin/current-model",
    "/openapi.json",
    "/nothing",
    "/",
    "/healthy",
    "/health/",
    "/v1/health",
)


@pytest.fixture
async def guarded(start: Start) -> Client:
    """A client of a gateway with a token."""
    return await start(token=TOKEN)


async def test_nothing_but_health_answers_without_the_token(
    guarded: Client, core: ScriptedCore
) -> None:
    async with guarded.get("/health") as response:
        assert response.status == 200
    for path in PATHS:
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            async with guarded.session.request(method, path) as response:
                assert response.status == 401, path
                error = (await response.json())["error"]
                assert (error["type"], error["code"]) == ("authentication_error", "missing_api_key")
                assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert core.requests == []


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "missing_api_key"),
        (TOKEN, "missing_api_key"),
        ("Bearer", "missing_api_key"),
        ("Bearer ", "missing_api_key"),
        (f"Basic {TOKEN}", "missing_api_key"),
        (f"Bearer {TOKEN} x", "missing_api_key"),
        (f"Bearer {TOKEN}é", "missing_api_key"),
        (f"Bearer {TOKEN}x", "invalid_api_key"),
        (f"Bearer {TOKEN[:-1]}", "invalid_api_key"),
        (f"Bearer {TOKEN.upper()}", "invalid_api_key"),
        ("Bearer " + "x" * 5000, "invalid_api_key"),
    ],
)
async def test_what_is_not_the_token_is_refused_and_not_repeated(
    guarded: Client, core: ScriptedCore, authorization: str, code: str
) -> None:
    headers = {"Authorization": authorization}
    async with guarded.get("/v1/models", headers=headers) as response:
        assert response.status == 401
        assert (await response.json())["error"]["code"] == code
        assert TOKEN not in await response.text()
    assert core.requests == []


async def test_a_token_that_comes_twice_is_none(guarded: Client) -> None:
    twice = CIMultiDict([*SHOWN.items(), *SHOWN.items()])
    async with guarded.get("/v1/models", headers=twice) as response:
        assert response.status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
async def test_the_token_opens_every_route_and_reaches_the_core(
    guarded: Client, core: ScriptedCore, scheme: str
) -> None:
    told = []

    async def chat(_: object, context: Context) -> object:
        told.append(dict(context.invocation_metadata() or ())["authorization"])
        return chat_answer()

    core.chat = chat
    shown = {"Authorization": f"{scheme} {TOKEN}"}
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    async with guarded.post("/v1/chat/completions", json=body, headers=shown) as response:
        assert response.status == 200
    assert told == [shown["Authorization"]]
    async with guarded.get("/openapi.json", headers=shown) as response:
        assert response.status == 200
    async with guarded.get("/nothing", headers=shown) as response:
        assert response.status == 404


async def test_a_gateway_without_a_token_still_passes_on_what_the_core_may_want(
    client: Client, core: ScriptedCore
) -> None:
    told = []

    async def chat(_: object, context: Context) -> object:
        told.append(dict(context.invocation_metadata() or ()).get("authorization"))
        return chat_answer()

    core.chat = chat
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    for value in ("Bearer x", "Bearer é"):
        headers = {"Authorization": value}
        async with client.post("/v1/chat/completions", json=body, headers=headers) as response:
            assert response.status == 200
    assert told == ["Bearer x", None]


async def test_an_allowed_page_may_ask_what_to_send_before_it_has_to_show_the_token(
    start: Start,
) -> None:
    client = await start(token=TOKEN, allow_origins=("https://app.example",))
    origin = {"Origin": "https://app.example"}
    asked = {
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    async with client.session.options("/v1/models", headers=origin | asked) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Headers"] == "authorization"
    async with client.get("/v1/models", headers=origin) as response:
        assert response.status == 401
        assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"


async def test_a_wide_gateway_answers_to_its_own_addresses_and_no_other_name(start: Start) -> None:
    client = await start(host="0.0.0.0", token=TOKEN, allow_hosts=("box.example",))
    for host in ("127.0.0.1", "localhost:1", "0.0.0.0", "box.example", f"127.0.0.1:{client.port}"):
        async with client.get("/v1/models", headers={"Host": host} | SHOWN) as response:
            assert response.status == 200, host
    for host in ("127.0.0.2", "192.0.2.1", "[::ffff:7f00:2]", "evil.example", "2130706433"):
        async with client.get("/v1/models", headers={"Host": host} | SHOWN) as response:
            assert response.status == 403, host


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/docs/page.js", "/docs/swagger-ui.css"])
async def test_the_page_that_asks_for_the_token_needs_none(guarded: Client, path: str) -> None:
    async with guarded.get(path) as response:
        assert response.status == 200
        assert TOKEN not in await response.text()


@pytest.mark.parametrize(
    "path", ["/docs/x", "/docs//", "/docs/../openapi.json", "/docs/%2e%2e/v1/models"]
)
async def test_what_only_looks_like_that_page_needs_the_token(guarded: Client, path: str) -> None:
    async with guarded.get(path) as response:
        assert response.status == 401
