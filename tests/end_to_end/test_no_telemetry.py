"""Nothing is told to anyone: loading a folder and chatting opens no socket but the loopback's."""

import ipaddress
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.server import Server
from tests.models import TINY_CHAT, TRANSCRIPTS
from tests.process.in_place import in_place
from tests.process.program import program

HELLO = next(one for one in TRANSCRIPTS if one.name == "hello")
SERVE = ("-m", "bodega", "serve", "--port", "0", "--grpc-port", "0", "--log-format", "json")
WATCHED = Path(__file__).parent / "watched"
NO_PROXY = {
    name: ""
    for kind in ("http", "https", "all")
    for name in (f"{kind}_proxy", f"{kind.upper()}_PROXY")
}
CALLS = "trace=connect,bind,sendto,sendmsg,sendmmsg"
ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')


def run(command: list[str], home: Path, **more: str) -> None:
    """Run a server under watch, and use it as its users do."""
    homes = {"BODEGA_HOME": str(home / "bodega"), "HF_HOME": str(home / "huggingface")}
    with program(command, {**NO_PROXY, **homes, **more}) as running:
        server = Server(running)
        loaded = server.post("/v1/admin/load-model", {"model_path": str(TINY_CHAT)})
        assert loaded.status_code == 200, loaded.text
        messages = list(HELLO.messages)
        answer = server.chat(messages=messages).json()
        assert answer["choices"][0]["message"]["content"] == HELLO.answer
        assert server.chat(messages=messages, stream=True).text.endswith("data: [DONE]\n\n")
        for path in ("/v1/models", "/v1/queue/stats", "/health", "/docs", "/openapi.json"):
            assert server.get(path).status_code == 200
        with server.channel() as channel:
            assert channel.unary_unary("/bodega.v1.Models/ListModels")(b"", timeout=60)
        assert server.stop() == 0


def is_loopback(address: str) -> bool:
    """Tell whether a name or an address is the loopback's."""
    if address == "localhost":
        return True
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def host(note: Any) -> str | None:
    """Return the host in a note of the network, None where it names a unix socket or no host."""
    address = note["address"]
    if note["event"] in ("socket.bind", "socket.connect", "socket.sendto", "socket.sendmsg"):
        # An address of the internet is a list; a unix socket is a path.
        return str(address[0]) if isinstance(address, list) else None
    return None if address is None else str(address)


def test_python_asks_for_the_loopback_alone(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    run([*SERVE], tmp_path, PYTHONPATH=str(WATCHED), NETWORK_NOTES=str(notes))
    told = [json.loads(line) for line in notes.read_text().splitlines()]
    begun = [" ".join(note["address"]) for note in told if note["event"] == "begin"]
    for name in ("serve", "core", "gateway"):
        assert any(f"bodega {name}" in line for line in begun), name
    hosts = {host(note) for note in told if note["event"] != "begin"} - {None}
    assert hosts, "the watch saw nothing at all"
    assert {one for one in hosts if not is_loopback(str(one))} == set()


def test_native_code_calls_the_loopback_alone(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-qq", "-o", tmp_path / "x", "true"]).returncode:
        pytest.skip("no strace on this machine, or it may not trace")
    calls = tmp_path / "calls"
    # -D: the server keeps the pid that the test started; strace watches from beside it.
    watch = (strace, "-D", "-f", "-qq", "--seccomp-bpf", "-e", CALLS, "-o", calls)
    run(in_place(*watch, sys.executable, *SERVE), tmp_path)
    found = [one or other for one, other in ADDRESS.findall(calls.read_text())]
    assert found, "the watch saw nothing at all"
    assert {one for one in found if not is_loopback(one)} == set()
