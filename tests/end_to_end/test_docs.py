"""The API in a browser: a page that shows it all and asks nobody but the server."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import requests

from tests.end_to_end import browser
from tests.end_to_end.browser import Page
from tests.end_to_end.server import Server, serve
from tests.models import TINY_CHAT

TOKEN = "canary-t0ken-7d0c"
FILES = {"/docs/page.css", "/docs/page.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"}
STATE = "document.body?.dataset.state"
PICTURES = os.environ.get("BODEGA_TEST_PICTURES")


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """Return a page of a real browser."""
    found = browser.executable()
    if found is None:
        pytest.skip("no Chromium or Chrome on this machine")
    async with browser.open_page(found, tmp_path / "browser") as opened:
        yield opened


async def picture(page: Page, name: str) -> None:
    """Save a picture of the page in the folder BODEGA_TEST_PICTURES, if there is one."""
    if PICTURES is not None:
        await page.screenshot(Path(PICTURES) / f"{name}.png")


def of(server: Server, paths: set[str]) -> set[str]:
    """Return the addresses of paths."""
    return {f"{server.http}{path}" for path in paths}


async def test_the_page_lists_every_operation_and_asks_nobody_else(
    server: Server, page: Page
) -> None:
    await page.open(f"{server.http}/docs")
    assert await page.until(STATE) == "shown"
    shown = await page.evaluate(
        "[...document.querySelectorAll('.opblock-summary')].map(one =>"
        " one.querySelector('.opblock-summary-method').textContent + ' ' +"
        " one.querySelector('.opblock-summary-path').dataset.path)"
    )
    paths = server.get("/openapi.json").json()["paths"]
    assert sorted(shown) == sorted(
        f"{verb.upper()} {path}" for path, verbs in paths.items() for verb in verbs
    )
    await picture(page, "docs")
    assert set(page.requested) == of(server, {"/docs", "/openapi.json", *FILES})
    assert page.complaints == []


async def test_a_chat_can_be_tried_on_it(server: Server, page: Page) -> None:
    await page.open(f"{server.http}/docs#/Inference/CreateChatCompletion")
    # The example fills in after the button is there.
    await page.until("document.querySelector('.body-param textarea')?.value.includes('capital')")
    shown = await execute(page, "Inference-CreateChatCompletion")
    await picture(page, "tried")
    assert '"chat.completion"' in shown
    assert f"{server.http}/v1/chat/completions" in page.requested
    assert page.complaints == []


async def test_with_a_token_it_asks_for_that_first(tmp_path: Path, page: Page) -> None:
    arguments = ("--model", str(TINY_CHAT))
    with serve(*arguments, home=tmp_path, env={"BODEGA_TOKEN": TOKEN}) as server:
        await page.open(f"{server.http}/docs")
        assert await page.until(STATE) == "asks"
        await picture(page, "asks")
        await give(page, "another")
        assert await page.until("document.getElementById('refused').textContent")
        await give(page, TOKEN)
        await page.until(f"{STATE} === 'shown'")
        await page.until("document.querySelector('.auth-wrapper .locked') !== null")
        await picture(page, "token")
        assert '"tiny-chat"' in await execute(page, "Models-ListModels")
        assert {one for one in page.requested if TOKEN in one} == set()
        # The browser itself tells of the two refusals.
        assert len(page.complaints) == 2
        assert all("401" in one for one in page.complaints)


async def give(page: Page, token: str) -> None:
    """Fill the form in, and send it."""
    await page.evaluate(f"document.getElementById('token').value = '{token}'")
    await click(page, "#ask button")


async def click(page: Page, selector: str) -> None:
    """Click on what a selector names, once it is there."""
    await page.until(f"document.querySelector('{selector}') !== null")
    await page.evaluate(f"document.querySelector('{selector}').click()")


async def execute(page: Page, operation: str) -> str:
    """Send the request of an operation, and return what the page shows of the answer."""
    block = f"#operations-{operation}"
    button = f"{block}.is-open .execute"
    opened = f"document.querySelector('{block}.is-open')"
    shown = await page.until(
        f"document.querySelector('{block} .live-responses-table tbody .response-col_description')"
        "?.innerText",
        # A click that falls into a change of the page is lost.
        doing=f"document.querySelector({opened} ? '{button}:not([disabled])'"
        f" : '{block} .opblock-summary-control')?.click()",
    )
    return str(shown)


@pytest.mark.parametrize("path", ["/docs", "/docs/", *sorted(FILES)])
def test_each_file_comes_with_its_policy_and_behind_the_guards(server: Server, path: str) -> None:
    answer = server.get(path)
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    head = requests.head(f"{server.http}{path}", timeout=60)
    assert head.headers["Content-Length"] == str(len(answer.content))
    refused = requests.post(f"{server.http}{path}", timeout=60)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")
    evil = requests.get(f"{server.http}{path}", headers={"Host": "evil.example"}, timeout=60)
    assert evil.status_code == 403
