"""A client that goes away ends its request at once, wherever it is."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.end_to_end.grpc_client import ReflectionClient, chat_json
from tests.end_to_end.requests_in_flight import asked, endless, idle
from tests.end_to_end.server import Server, serve
from tests.end_to_end.waiting import wait_until
from tests.models import ENDLESS, TINY_CHAT, TRANSCRIPTS

HELLO = next(one for one in TRANSCRIPTS if one.name == "hello")


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server that answers one request at a time and lets two wait."""
    with serve(
        *("--model", str(TINY_CHAT), "--max-concurrency", "1", "--queue-size", "2"),
        home=tmp_path_factory.mktemp("home"),
    ) as running:
        yield running
        assert running.stop() == 0


def test_leaving_a_stream_in_mid_answer_frees_its_place(narrow: Server) -> None:
    before = narrow.stats()
    with endless(narrow) as lines:
        next(lines)
        assert narrow.stats()["active_requests"] == 1
    wait_until(lambda: idle(narrow))
    after = narrow.stats()
    assert after["cancelled_requests"] == before["cancelled_requests"] + 1
    assert after["completed_requests"] == before["completed_requests"]
    assert narrow.chat(messages=list(HELLO.messages)).status_code == 200


def test_leaving_a_whole_answer_frees_its_place(narrow: Server) -> None:
    before = narrow.stats()["cancelled_requests"]
    with asked(narrow, {"messages": list(ENDLESS)}):
        wait_until(lambda: narrow.stats()["active_requests"] == 1)
    wait_until(lambda: idle(narrow))
    assert narrow.stats()["cancelled_requests"] == before + 1


def test_a_request_whose_client_left_the_queue_never_starts(narrow: Server) -> None:
    before = narrow.stats()
    with endless(narrow) as lines:
        next(lines)
        with asked(narrow, {"messages": list(HELLO.messages)}):
            wait_until(lambda: narrow.stats()["queue_size"] == 1)
        wait_until(lambda: narrow.stats()["queue_size"] == 0)
        assert narrow.stats()["active_requests"] == 1
    wait_until(lambda: idle(narrow))
    after = narrow.stats()
    assert after["cancelled_requests"] == before["cancelled_requests"] + 2
    assert after["completed_requests"] == before["completed_requests"]


def test_cancelling_a_grpc_stream_frees_its_place(narrow: Server) -> None:
    before = narrow.stats()["cancelled_requests"]
    with narrow.channel() as channel:
        stream = ReflectionClient(channel).stream(
            "Inference.StreamChatCompletion", chat_json(ENDLESS)
        )
        next(stream)
        assert narrow.stats()["active_requests"] == 1
    wait_until(lambda: idle(narrow))
    assert narrow.stats()["cancelled_requests"] == before + 1


def test_a_full_queue_refuses_at_once_and_says_when_to_return(narrow: Server) -> None:
    waiting = {"messages": list(HELLO.messages)}
    with endless(narrow) as lines, asked(narrow, waiting), asked(narrow, waiting):
        next(lines)
        wait_until(lambda: narrow.stats()["queue_size"] == 2)
        refused = narrow.chat(messages=list(HELLO.messages))
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.json()["error"]["code"] == "queue_full"
        # Those who were there before wait still.
        assert narrow.stats()["queue_size"] == 2
        assert narrow.stats()["rejected_requests"] >= 1
    wait_until(lambda: idle(narrow))


def test_waiting_longer_than_the_limit_ends_with_its_own_error(tmp_path: Path) -> None:
    limits = ("--max-concurrency", "1", "--queue-timeout", "2")
    with serve("--model", str(TINY_CHAT), *limits, home=tmp_path) as impatient:
        with endless(impatient) as lines:
            next(lines)
            answer = impatient.chat(messages=list(HELLO.messages))
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "queue_timeout"
            assert int(answer.headers["Retry-After"]) >= 1
            assert answer.elapsed.total_seconds() > 1.9
            assert impatient.stats()["active_requests"] == 1
        assert impatient.stop() == 0


def test_who_waits_gets_the_place_of_who_leaves(narrow: Server) -> None:
    with ExitStack() as waiting:
        with endless(narrow) as lines:
            next(lines)
            waiter = waiting.enter_context(asked(narrow, {"messages": list(HELLO.messages)}))
            wait_until(lambda: narrow.stats()["queue_size"] == 1)
        assert b"200 OK" in waiter.recv(65536)
    wait_until(lambda: idle(narrow))
