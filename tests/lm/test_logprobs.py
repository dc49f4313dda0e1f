"""Probabilities are those of the raw logits; biases change what is chosen."""

from dataclasses import replace

import mlx.core as mx
import numpy as np

from bodega.backends.base import Row, Sampling
from bodega.backends.lm.likeliest import likeliest
from tests.lm.rows import Rows, given, held_to, together, tokens_of
from tests.lm.test_runner import loaded

STEPS = 12
WARM = Sampling(temperature=1.3, top_p=0.95, seed=5, presence_penalty=0.7)


def asking() -> list[Row]:
    """Return rows that ask for as much as they like, beside one that asks for nothing."""
    ask = given()
    biased = replace(WARM, biases=((70, 5.0), (71, -5.0)), repetition_penalty=1.3)
    return [
        Row(id=0, prompt=ask[0], sampling=Sampling(), top_logprobs=3),
        Row(id=1, prompt=ask[1], sampling=WARM),
        Row(id=2, prompt=ask[2], sampling=biased, top_logprobs=0),
        Row(
            id=3,
            prompt=ask[3],
            sampling=WARM,
            top_logprobs=20,
            guide=held_to("start: /[a-z ]+/"),
        ),
    ]


def test_probabilities_are_those_of_the_model_before_anything_changes_them() -> None:
    ran = together(asking(), STEPS)
    model = loaded("tiny-chat")[0]
    for row in asking():
        tokens = ran.tokens(row.id)
        logits = model(mx.array([[*row.prompt, *tokens[:-1]]]))[0, len(row.prompt) - 1 :]
        expected = np.array(logits - mx.logsumexp(logits, axis=-1, keepdims=True))
        for at, chosen in enumerate(ran.chosen[row.id]):
            if row.top_logprobs is None:
                assert chosen.logprobs is None
                continue
            assert chosen.logprobs is not None
            assert abs(chosen.logprobs.chosen - expected[at, chosen.token]) < 1e-4
            top = np.sort(expected[at])[::-1][: row.top_logprobs]
            assert np.allclose([value for _, value in chosen.logprobs.top], top, atol=1e-4)
            for token, value in chosen.logprobs.top:
                assert abs(value - expected[at, token]) < 1e-4


def test_who_asks_for_probabilities_changes_nothing_for_anyone() -> None:
    silent = together([replace(row, top_logprobs=None, guide=None) for row in asking()], STEPS)
    asked = together([replace(row, guide=None) for row in asking()], STEPS)
    for number in range(4):
        assert asked.tokens(number) == silent.tokens(number)


def test_a_row_that_was_paused_tells_the_same() -> None:
    expected = together(asking(), STEPS)
    paused = Rows(asking())
    paused.enter(*paused.rows)
    for number in (3, 0):
        paused.step(2)
        paused.runner.leave([number])
        paused.step()
        paused.enter(number)
    paused.step(STEPS)
    for number in range(4):
        for one, other in zip(expected.chosen[number][:STEPS], paused.chosen[number], strict=False):
            assert one.token == other.token
            if one.logprobs is not None:
                assert other.logprobs is not None
                assert abs(one.logprobs.chosen - other.logprobs.chosen) < 1e-4


def test_biases_want_and_forbid() -> None:
    ask = given()
    wanted = tokens_of("a")[0]
    best = [
        together([Row(id=0, prompt=ask[at], sampling=Sampling())], 3).tokens(0)[0] for at in (0, 1)
    ]
    rows = [
        Row(id=0, prompt=ask[0], sampling=Sampling(biases=((wanted, 100.0),))),
        Row(id=1, prompt=ask[1], sampling=Sampling(biases=((best[1], -100.0),))),
        Row(id=2, prompt=ask[0], sampling=Sampling()),
        Row(id=3, prompt=ask[1], sampling=replace(WARM, biases=((wanted, 100.0), (9, -1.0)))),
    ]
    ran = together(rows, 5)
    assert set(ran.tokens(0)) == {wanted}
    assert best[1] not in ran.tokens(1)
    assert ran.tokens(2)[0] == best[0]
    assert set(ran.tokens(3)) == {wanted}


def test_the_likeliest_are_found_in_large_vocabularies() -> None:
    values = np.random.default_rng(4).normal(size=(3, 20_011)).astype(np.float32)
    values[0, -3:] = 9.0
    values[1, 40:] = -np.inf
    for count in (1, 20, 256):
        found = np.array(likeliest(mx.array(values), count))
        assert all(len(set(row)) == count for row in found.tolist())
        best = np.sort(np.take_along_axis(values, found, axis=-1), axis=-1)
        assert np.array_equal(best, np.sort(values, axis=-1)[:, -count:])
