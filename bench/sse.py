"""An answer's event stream, read after it ended from what arrived when.

While an answer streams, the load generator only notes the time of what arrives, so that it takes
as little of the machine as it can.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from bench.errors import BenchError

Arrival = tuple[float, bytes]
"""The time of a read in seconds, and its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One streamed answer.

    Attributes:
        sent_s: when its request was sent.
        text_s: when text arrived; pieces of text in one read count once.
        text: all of it.
        prompt_tokens: as the server counted them.
        cached_tokens: how many of them it had computed before; None if it does not tell.
        output_tokens: as the server counted them.
    """

    sent_s: float
    text_s: list[float]
    text: str
    prompt_tokens: int
    cached_tokens: int | None
    output_tokens: int

    @property
    def ttft_ms(self) -> float:
        """The time from sending the request to its first text."""
        return 1e3 * (self.text_s[0] - self.sent_s)


def read_answer(sent_s: float, arrivals: Iterable[Arrival]) -> Answer:
    """Return the answer that a stream holds.

    Args:
        sent_s: when its request was sent.
        arrivals: the whole body, as it came.

    Raises:
        BenchError: it holds an error, no text or no usage, or it has no end.
    """
    arrivals = list(arrivals)
    usage: dict[str, Any] | None = None
    text = ""
    ended = False
    for _, chunk in _chunks(arrivals):
        ended = chunk is None
        if chunk is not None:
            usage = chunk.get("usage") or usage
            text += _text(chunk)
    if not ended:
        raise BenchError("An answer's stream broke off.")
    if usage is None or not text:
        raise BenchError("An answer came without text or without usage.")
    return Answer(
        sent_s=sent_s,
        text_s=text_times_s(arrivals),
        text=text,
        prompt_tokens=usage["prompt_tokens"],
        cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
        output_tokens=usage["completion_tokens"],
    )


def text_times_s(arrivals: Iterable[Arrival]) -> list[float]:
    """Return when text arrived, also of a stream that has not ended.

    Raises:
        BenchError: it holds an error.
    """
    times = (time_s for time_s, chunk in _chunks(arrivals) if chunk is not None and _text(chunk))
    return list(dict.fromkeys(times))


def _chunks(arrivals: Iterable[Arrival]) -> Iterator[tuple[float, dict[str, Any] | None]]:
    """Yield each event's time and JSON; None is the end."""
    for arrived_s, data in _events(arrivals):
        if data == b"[DONE]":
            yield arrived_s, None
            continue
        chunk = _parsed(data)
        if error := chunk.get("error"):
            raise BenchError(f"The server broke an answer off: {error}")
        yield arrived_s, chunk


def _events(arrivals: Iterable[Arrival]) -> Iterator[Arrival]:
    """Yield the data of each event, with the time at which its line was whole."""
    rest = b""
    for arrived_s, piece in arrivals:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield arrived_s, line[5:].strip()


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        chunk: dict[str, Any] = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise BenchError(f"An event of an answer is no JSON: {data!r}") from None
    return chunk


def _text(chunk: dict[str, Any]) -> str:
    choices = chunk.get("choices") or ()
    return "".join((choice.get("delta") or {}).get("content") or "" for choice in choices)
