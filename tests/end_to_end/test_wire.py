"""Bytes that no client library would send: refused, and gone from memory afterwards."""

import gzip
import re
import socket
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest

from bodega import limits
from tests.end_to_end.plain_http import exchange
from tests.end_to_end.server import Server
from tests.models import TRANSCRIPTS

HELLO = next(one for one in TRANSCRIPTS if one.name == "hello")
MIB = 2**20
GROWTH_BYTES = 160 * MIB
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + JSON
SMUGGLED = b"POST /v1/admin/unload-model HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
STATUS = re.compile(rb"^HTTP/1\.1 ([0-9]{3})", re.MULTILINE)


@pytest.fixture(autouse=True)
def unharmed(server: Server) -> Iterator[None]:
    """Check that the server still serves the same model after a test."""
    yield
    assert server.get("/health").json()["status"] == "ok"
    answer = server.chat(messages=list(HELLO.messages)).json()
    assert answer["choices"][0]["message"]["content"] == HELLO.answer


def connect(server: Server) -> socket.socket:
    """Open a connection to the HTTP port."""
    url = urlsplit(server.http)
    return socket.create_connection((url.hostname, url.port), timeout=60)


def send(server: Server, *parts: bytes) -> bytes:
    """Send bytes on a connection of their own; return what comes until the server closes it."""
    with connect(server) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except OSError:
            pass  # it was refused before it was sent
        received = b""
        try:
            while data := connection.recv(65536):
                received += data
        except OSError:
            pass  # reset: the refusal was all there was to read
        return received


def send_over_and_over(connection: socket.socket, data: bytes, *, times: int) -> None:
    """Send the same bytes again and again."""
    for _ in range(times):
        connection.sendall(data)


def statuses(answer: bytes) -> list[int]:
    """Return the statuses of the answers in some bytes."""
    return [int(status) for status in STATUS.findall(answer)]


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 0\r\n" + CHUNKED,
        CHUNKED + b"Content-Length: 0\r\n",
        b"Content-Length: 0\r\nContent-Length: 5\r\n",
        b"Content-Length: 0, 5\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 5 \x00\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"Content-Length : 0\r\n",
        b"Content-Length\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        CHUNKED + CHUNKED,
        b"X: a\r\n folded\r\n",
        b"X: a\nTransfer-Encoding: chunked\r\n",
        b"X: a\rTransfer-Encoding: chunked\r\n",
        b"X\x00: a\r\n",
        b"Host: localhost\r\n",
        b"Host: evil.example\r\n",
    ],
)
def test_no_second_request_hides_behind_the_first(server: Server, head: bytes) -> None:
    answer = send(server, CHAT + head + b"\r\n0\r\n\r\n" + SMUGGLED)
    assert statuses(answer) in ([400], [403], [])
    assert b"unloaded" not in answer


@pytest.mark.parametrize(
    "chunks",
    [b"-1\r\n", b"5;\n", b"0x0\r\n\r\n", b"fffffffffffffffff\r\n", b"\r\n", b"g\r\n", b"1" * 9000],
)
def test_a_body_in_broken_chunks_ends_the_connection(server: Server, chunks: bytes) -> None:
    answer = send(server, CHAT + CHUNKED + b"\r\n" + chunks + b"\r\n" + SMUGGLED)
    assert statuses(answer) in ([400], [])
    assert b"unloaded" not in answer


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET / HTTP/9.9",
        b"GET /\x00 HTTP/1.1",
        b"GET\x00 / HTTP/1.1",
        b"GET / HTTP/1.1 x",
        b"\x16\x03\x01\x02\x00\x01",
        b"PRI * HTTP/2.0",
        b"GET /" + b"a" * 65536 + b" HTTP/1.1",
        b"G" * 65536 + b" / HTTP/1.1",
    ],
)
def test_what_is_no_request_is_refused(server: Server, request_line: bytes) -> None:
    answer = send(server, request_line + b"\r\n" + HOST + b"\r\n" + SMUGGLED)
    assert all(400 <= status < 500 for status in statuses(answer))
    assert b"unloaded" not in answer


def test_a_second_space_in_the_request_line_changes_nothing(server: Server) -> None:
    answer = send(server, b"GET  /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert statuses(answer) == [200]


@pytest.mark.parametrize(
    "headers",
    [
        b"X: " + b"a" * 65536 + b"\r\n",
        b"a" * 65536 + b": x\r\n",
        b"".join(b"X-%d: a\r\n" % number for number in range(10_000)),
        b"Cookie: " + b"a=b; " * 20_000 + b"\r\n",
    ],
)
def test_too_many_and_too_long_headers_are_refused(server: Server, headers: bytes) -> None:
    assert statuses(send(server, CHAT + headers + b"\r\n")) in ([400], [])


def test_a_head_that_never_ends_is_cut(server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        header = b"X: " + b"a" * 1000 + b"\r\n"
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            send_over_and_over(connection, header, times=64 * 1024)


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(server: Server) -> None:
    large = b"Content-Length: %d\r\n\r\n" % (limits.MAX_BODY_BYTES + 1)
    with connect(server) as connection:
        connection.sendall(CHAT + large)
        assert statuses(connection.recv(4096)) == [413]


class Memory:
    """The memory of the server's processes."""

    def __init__(self, server: Server) -> None:
        if not Path("/proc/self/status").exists():
            pytest.skip("memory is looked up under /proc")
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
        self._pids = [int(pid) for pid in children.split()]
        assert len(self._pids) == 2
        for pid in self._pids:
            # From here on the peak is that of the test.
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        self._before = [self._bytes(pid, "VmRSS") for pid in self._pids]

    def growth(self) -> int:
        """Return by how much the process that grew most has grown at its peak."""
        peaks = [self._bytes(pid, "VmHWM") for pid in self._pids]
        return max(peak - before for peak, before in zip(peaks, self._before, strict=True))

    @staticmethod
    def _bytes(pid: int, name: str) -> int:
        found = re.search(rf"{name}:\s+([0-9]+) kB", Path(f"/proc/{pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024


@pytest.fixture
def memory(server: Server) -> Memory:
    """Return the memory of the server before a test."""
    return Memory(server)


def test_a_compression_bomb_is_refused_in_little_memory(server: Server, memory: Memory) -> None:
    bomb = gzip.compress(b" " * (1024 * MIB), compresslevel=1)
    head = CHAT + b"Connection: close\r\nContent-Encoding: gzip\r\n"
    head += b"Content-Length: %d\r\n\r\n" % len(bomb)
    assert statuses(send(server, head, bomb)) == [413]
    assert memory.growth() < GROWTH_BYTES


def test_many_requests_at_once_on_one_connection_are_answered_in_order(
    server: Server, memory: Memory
) -> None:
    count = 10_000
    one = b"GET /nothing HTTP/1.1\r\n" + HOST + b"X-Request-Id: %d\r\n\r\n"
    ids: list[bytes] = []
    with connect(server) as connection:
        rest = b""
        sent = 0
        while len(ids) < count:
            if sent < count:
                part = b"".join(one % number for number in range(sent, sent + 1000))
                sent += 1000
                connection.sendall(part)
            rest += connection.recv(MIB)
            found = list(re.finditer(rb"X-Request-Id: ([0-9]+)\r\n", rest))
            ids += [match[1] for match in found]
            rest = rest[found[-1].end() :] if found else rest
    assert ids == [b"%d" % number for number in range(count)]
    assert memory.growth() < GROWTH_BYTES


def test_many_requests_whose_answers_nobody_reads_wait_outside(
    server: Server, memory: Memory
) -> None:
    part = b"".join([b"GET /nothing HTTP/1.1\r\n" + HOST + b"\r\n"] * 10_000)
    with connect(server) as connection:
        connection.settimeout(1.0)
        with pytest.raises(TimeoutError):
            send_over_and_over(connection, part, times=1000)
    assert memory.growth() < GROWTH_BYTES


OVERSIZE = b"\x0a" + b"\xff\xff\xff\x7f" + b"x" * (limits.MAX_MESSAGE_BYTES + MIB)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_grpc_message_over_the_limit_is_refused(
    server: Server, memory: Memory, compression: grpc.Compression
) -> None:
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(server.grpc, options=options) as channel:
        call = channel.unary_unary("/bodega.v1.Inference/CreateChatCompletion")
        with pytest.raises(grpc.RpcError) as raised:
            call(OVERSIZE, timeout=60, compression=compression)
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert memory.growth() < GROWTH_BYTES


def test_grpc_metadata_over_the_limit_is_refused(server: Server, memory: Memory) -> None:
    metadata = [(f"x-{number}", "a" * 1000) for number in range(1000)]
    with server.channel() as channel:
        call = channel.unary_unary("/bodega.v1.Models/ListModels")
        with pytest.raises(grpc.RpcError) as raised:
            call(b"", timeout=60, metadata=metadata)
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert memory.growth() < GROWTH_BYTES


@pytest.mark.parametrize(
    "parts",
    [
        [b"\x00" * 100_000],
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100_000],
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" * 20_000],
        [b"GET / HTTP/1.1\r\n\r\n"],
    ],
)
def test_the_grpc_port_survives_bytes_that_are_no_grpc(
    server: Server, memory: Memory, parts: Sequence[bytes]
) -> None:
    url = urlsplit(f"//{server.grpc}")
    with closing(socket.create_connection((url.hostname, url.port), timeout=60)) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except OSError:
            pass  # the server has closed it
    with server.channel() as channel:
        assert channel.unary_unary("/bodega.v1.Admin/GetHealth")(b"", timeout=60)
    assert memory.growth() < GROWTH_BYTES


def test_only_its_user_enters_the_folder_of_the_socket(server: Server) -> None:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    if not children.exists():
        pytest.skip("processes are looked up under /proc")
    arguments: list[Any] = []
    for pid in children.read_text().split():
        arguments += Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    path = Path(arguments[arguments.index("--socket") + 1])
    assert path.is_socket()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_an_answer_of_the_transport_tells_nothing_of_the_request(server: Server) -> None:
    answer = send(server, CHAT + b"canary-93b1\x00: x\r\n\r\n")
    assert b"canary" not in answer
    assert exchange(server, "GET", "/health").status_code == 200
