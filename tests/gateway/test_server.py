"""The gateway as a process: where it listens, what it says, and how it ends."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from bodega.gateway.listener import listen
from bodega.listen import ListenError

from .conftest import Context, ScriptedCore, chat_answer, chat_request

PROGRAM = """
import json, sys
from bodega.config import GatewayConfig
from bodega.cli.process import run_server
sys.exit(run_server("bodega.gateway.server", GatewayConfig(**json.loads(sys.argv[1]))))
"""


@dataclass
class Process:
    """A gateway of its own process."""

    process: asyncio.subprocess.Process
    ready: dict[str, Any]

    async def end(self) -> tuple[int, str]:
        """Wait for its end; return the exit code and what it logged."""
        _, log = await asyncio.wait_for(self.process.communicate(), 60)
        assert self.process.returncode is not None
        return self.process.returncode, log.decode()


@contextlib.asynccontextmanager
async def running(**config: Any) -> AsyncIterator[Process]:
    """Start a gateway, and wait until it says that it listens."""
    reading, writing = os.pipe()
    process = await start(writing, ready_fd=writing, **config)
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            line = await asyncio.to_thread(pipe.readline)
        yield Process(process=process, ready=json.loads(line))
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def start(*fds: int, **config: Any) -> asyncio.subprocess.Process:
    """Start a gateway."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        json.dumps({"port": 0, **config}),
        stderr=asyncio.subprocess.PIPE,
        pass_fds=fds,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


async def test_it_says_where_it_listens_and_ends_well(core: ScriptedCore) -> None:
    async with running(core=core.target) as gateway:
        port = gateway.ready["port"]
        assert gateway.ready == {"http": f"http://localhost:{port}", "port": port}
        async with aiohttp.ClientSession() as session:
            for host in ("127.0.0.1", "[::1]") if has_ipv6() else ("127.0.0.1",):
                async with session.get(f"http://{host}:{port}/health") as response:
                    assert response.status == 200
        gateway.process.send_signal(signal.SIGTERM)
        code, log = await gateway.end()
    assert code == 0
    assert "Traceback" not in log


def has_ipv6() -> bool:
    """Tell whether this machine has the address ::1."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


async def test_a_running_request_may_end_after_the_signal(core: ScriptedCore) -> None:
    go = asyncio.Event()

    async def chat(_: Any, __: Context) -> Any:
        core.entered.set()
        await go.wait()
        return chat_answer()

    core.chat = chat
    async with running(core=core.target) as gateway, aiohttp.ClientSession() as session:
        url = f"{gateway.ready['http']}/v1/chat/completions"
        asking = asyncio.ensure_future(session.post(url, json=chat_request()).__aenter__())
        await core.entered.wait()
        gateway.process.send_signal(signal.SIGINT)
        await refused(gateway.ready["port"])
        go.set()
        response = await asking
        assert response.status == 200
        assert (await response.json())["id"] == "chatcmpl_1"
        assert (await gateway.end())[0] == 0


async def refused(port: int) -> None:
    """Wait until nothing accepts connections on a port."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue  # it was in the queue of a socket that has just been closed
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_second_signal_ends_it_at_once(core: ScriptedCore) -> None:
    core.chat = core.hang
    async with running(core=core.target) as gateway, aiohttp.ClientSession() as session:
        url = f"{gateway.ready['http']}/v1/chat/completions"
        asking = asyncio.ensure_future(session.post(url, json=chat_request()).__aenter__())
        await core.entered.wait()
        gateway.process.send_signal(signal.SIGTERM)
        await refused(gateway.ready["port"])
        gateway.process.send_signal(signal.SIGTERM)
        assert (await gateway.end())[0] == 128 + signal.SIGTERM
        with pytest.raises(aiohttp.ClientError):
            await asking


async def test_a_taken_port_is_one_line_and_exit_code_1() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await start(port=port)
        _, log = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert log.decode().count("\n") == 1
    assert f"Port {port} is in use" in log.decode()


def test_localhost_is_every_loopback_address_on_one_port() -> None:
    sockets = listen("localhost", 0)
    try:
        assert len({listener.getsockname()[1] for listener in sockets}) == 1
        families = {listener.family for listener in sockets}
        expected = {socket.AF_INET, socket.AF_INET6} if has_ipv6() else {socket.AF_INET}
        assert families == expected
        with pytest.raises(ListenError, match="is in use"):
            listen("127.0.0.1", sockets[0].getsockname()[1])
    finally:
        for listener in sockets:
            listener.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_a_host_that_others_can_reach_is_refused(host: str) -> None:
    with pytest.raises(ListenError, match="can be reached from other machines"):
        listen(host, 0)
