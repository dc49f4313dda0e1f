"""The size of prefill's slices: by time, whatever the model's speed."""

import pytest

from bodega.engine.pacing import (
    MAX_TOKENS,
    MIN_TOKENS,
    SLICE_ALONE_S,
    SLICE_AMONG_MANY_S,
    SLICE_BESIDE_DECODING_S,
    SLICE_OF_DECODING,
    PrefillPace,
)


def pace(*, tokens_per_s: float, decode_s: float = 0.0) -> PrefillPace:
    """Return the pace of a model of which some is known."""
    known = PrefillPace()
    known.record(tokens=100, seconds=100 / tokens_per_s)
    if decode_s:
        known.record_decode(seconds=decode_s)
    return known


def test_slices_take_as_long_on_a_fast_model_as_on_a_faster_one() -> None:
    for speed in (2_000.0, 20_000.0):
        tokens = pace(tokens_per_s=speed, decode_s=0.004).slice_tokens(decoding=1, prefilling=1)
        assert tokens == pytest.approx(speed * SLICE_BESIDE_DECODING_S, abs=1)
    alone = pace(tokens_per_s=2_000).slice_tokens(decoding=0, prefilling=1)
    assert alone == pytest.approx(2_000 * SLICE_ALONE_S, abs=1)


def test_slices_are_longer_where_more_wait_for_their_first_token_than_for_their_next() -> None:
    known = pace(tokens_per_s=2_000, decode_s=0.004)
    among = [known.slice_tokens(decoding=4, prefilling=many) for many in (1, 4, 6, 8, 30)]
    assert among[0] == among[1] == pytest.approx(2_000 * SLICE_BESIDE_DECODING_S, abs=1)
    assert among[2] == pytest.approx(1.5 * among[0], abs=1)
    assert among[3] == among[4] == pytest.approx(2_000 * SLICE_AMONG_MANY_S, abs=1)


def test_a_slice_of_a_slow_model_is_worth_a_few_steps_of_decoding() -> None:
    slow = pace(tokens_per_s=200, decode_s=0.15)
    tokens = slow.slice_tokens(decoding=1, prefilling=1)
    assert tokens == pytest.approx(200 * SLICE_OF_DECODING * 0.15, abs=1)


def test_slices_have_a_least_and_a_most() -> None:
    assert pace(tokens_per_s=1).slice_tokens(decoding=1, prefilling=1) == MIN_TOKENS
    assert pace(tokens_per_s=1e9).slice_tokens(decoding=0, prefilling=1) == MAX_TOKENS


def test_slower_is_believed_sooner_than_faster() -> None:
    changed = pace(tokens_per_s=1_000)
    changed.record(tokens=100, seconds=1.0)
    slower = changed.slice_tokens(decoding=0, prefilling=1)
    assert slower < 0.5 * 1_000 * SLICE_ALONE_S
    changed.record(tokens=1_000, seconds=1.0)
    assert slower < changed.slice_tokens(decoding=0, prefilling=1) < 1_000 * SLICE_ALONE_S
