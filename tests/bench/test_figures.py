"""What the benchmark makes of its measurements."""

import pytest

from bench.errors import BenchError
from bench.figures import Spread, percentile
from bench.sse import Arrival, read_answer
from tests.bench.played_server import event

TEXT = event(choices=[{"delta": {"content": "x"}}])
ROLE = event(choices=[{"delta": {"role": "assistant", "content": ""}}])
USAGE = event(choices=[], usage={"prompt_tokens": 65, "completion_tokens": 3})
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1.0), (50, 2.5), (95, 3.85), (99, 3.97), (100, 4.0)]
)
def test_a_percentile_lies_between_its_neighbors(percent: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == pytest.approx(value)


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_rounds_become_a_median_and_its_range() -> None:
    assert Spread.of([0.9, 1.1, 1.0]) == Spread(median=1.0, min=0.9, max=1.1)


def test_text_counts_from_the_read_that_made_its_event_whole() -> None:
    arrivals: list[Arrival] = [
        (1.0, ROLE),
        (2.0, TEXT[:9]),
        (3.0, TEXT[9:]),
        (4.0, TEXT + TEXT),
        (5.0, USAGE + DONE),
    ]
    answer = read_answer(0.5, arrivals)
    assert answer.text_s == [3.0, 4.0]
    assert (answer.prompt_tokens, answer.output_tokens) == (65, 3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (TEXT + USAGE, "broke off"),
        (event(error={"message": "gone"}), "gone"),
        (b"data: hello\n\n", "no JSON"),
        (TEXT + DONE, "without text or without usage"),
        (ROLE + USAGE + DONE, "without text or without usage"),
    ],
)
def test_a_stream_that_cannot_be_measured_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(BenchError, match=reason):
        read_answer(0.0, [(1.0, body)])
