"""A real browser without a window, told what to do over its DevTools protocol."""

import asyncio
import base64
import itertools
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

NAMES = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
WAIT_S = 60.0
MAX_MESSAGE_BYTES = 1 << 26

Json = dict[str, Any]


def executable() -> str | None:
    """Return the path of a browser of this machine, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """An open page.

    Attributes:
        requested: addresses that it has asked for, its own data left out.
        complaints: errors and warnings that its console shows.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self._socket = socket
        self._session: str | None = None
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Json]] = {}

    async def attach(self) -> None:
        """Make the page, and begin to listen to it."""
        target = await self.send("Target.createTarget", url="about:blank")
        attached = await self.send(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.send(f"{domain}.enable")

    async def open(self, url: str) -> None:
        """Go to an address."""
        answer = await self.send("Page.navigate", url=url)
        assert "errorText" not in answer, answer

    async def evaluate(self, expression: str) -> Any:
        """Return what JavaScript gives, promises awaited."""
        answer = await self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, condition: str, *, doing: str = "") -> Any:
        """Return the value of an expression, plain data, once it is true.

        Args:
            condition: the expression.
            doing: statements to run before each further look, of which there are a few a second.
        """
        # By a timer: a page that nobody sees may get no frames.
        return await self.evaluate(
            "new Promise(resolve => { const look = () => { const value = (" + condition + ");"
            " if (value) { resolve(value); return; } " + doing + "; setTimeout(look, 250); };"
            " look(); })"
        )

    async def screenshot(self, path: Path, *, width: int = 1280, height: int = 1600) -> None:
        """Save a picture of the page."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.send("Emulation.setDeviceMetricsOverride", **size)
        answer = await self.send("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(answer["data"]))

    async def send(self, method: str, **parameters: Any) -> Json:
        """Send a command of the protocol and return its result."""
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        command: Json = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        await self._socket.send_json(command)
        async with asyncio.timeout(WAIT_S):
            result: Json = await answer
            return result

    async def listen(self) -> None:
        """Take in what the browser says, until it ends."""
        async for message in self._socket:
            told: Json = message.json()
            if "id" not in told:
                self._note(told["method"], told["params"])
            elif "error" in told:
                self._answers.pop(told["id"]).set_exception(AssertionError(told["error"]))
            else:
                self._answers.pop(told["id"]).set_result(told["result"])

    def _note(self, event: str, told: Json) -> None:
        if event == "Network.requestWillBeSent":
            url = told["request"]["url"]
            if not url.startswith("data:"):
                self.requested.append(url)
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            self.complaints.append(str(told["args"]))
        elif event == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")


@asynccontextmanager
async def open_page(browser: str, home: Path) -> AsyncIterator[Page]:
    """Run a browser with an empty page while the context lasts.

    Args:
        browser: its executable.
        home: an empty folder for what it writes.
    """
    process = await asyncio.create_subprocess_exec(
        *(browser, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={home}"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *("--disable-gpu", "--disable-dev-shm-usage"),
        # Its sandbox refuses to run as root.
        *(("--no-sandbox",) if os.geteuid() == 0 else ()),
        "about:blank",
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        address = await _address(process)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(address, max_msg_size=MAX_MESSAGE_BYTES) as socket,
        ):
            page = Page(socket)
            listener = asyncio.create_task(page.listen())
            await page.attach()
            yield page
            listener.cancel()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    """Return where the browser takes commands, which it writes when it is there."""
    assert process.stderr is not None
    async with asyncio.timeout(WAIT_S):
        async for line in process.stderr:
            _, found, address = line.decode(errors="replace").partition("DevTools listening on ")
            if found:
                return address.strip()
    raise AssertionError("the browser ended at once")
