"""Sampling draws from the distribution that the parameters describe, row by row."""

from dataclasses import replace

import mlx.core as mx
import numpy as np
import pytest

from bodega.backends.base import Row, Sampling
from bodega.backends.lm.noise import gumbel, row_key
from bodega.backends.lm.penalties import Counts, Penalties
from bodega.backends.lm.sampling import CANDIDATES, Sampler

VOCABULARY = 1000
DRAWS = 4000
LOGITS = np.random.default_rng(0).normal(size=VOCABULARY).astype(np.float32) * 2

SETTINGS = [
    Sampling(temperature=0.7),
    Sampling(temperature=0.7, top_p=0.9),
    Sampling(temperature=1, top_k=10),
    Sampling(temperature=1.5, top_k=20, top_p=0.8),
    Sampling(temperature=1, min_p=0.1),
    Sampling(temperature=2, top_p=0.99),
    Sampling(temperature=1, top_k=CANDIDATES + 100, top_p=0.95),
    Sampling(temperature=2, min_p=0.001),
    Sampling(),
    Sampling(temperature=2, top_p=0.0),
]


def chosen(rows: list[Sampling], logits: mx.array, positions: list[int]) -> list[int]:
    """Return the tokens that rows choose together."""
    tokens: list[int] = np.array(Sampler(rows)(logits, positions)).tolist()
    return tokens


def expected(sampling: Sampling) -> np.ndarray:
    """Return the probability of each token, computed plainly in double precision."""
    scaled = LOGITS.astype(np.float64) / sampling.temperature
    order = np.argsort(-scaled)
    relative = np.exp(scaled[order] - scaled[order[0]])
    keep = np.ones(VOCABULARY, dtype=bool)
    if sampling.top_k:
        keep &= np.arange(VOCABULARY) < sampling.top_k
    nucleus = np.where(keep, relative, 0) / relative[keep].sum()
    keep &= np.concatenate([[0], np.cumsum(nucleus)[:-1]]) < sampling.top_p
    keep &= relative >= sampling.min_p
    probabilities = np.zeros(VOCABULARY)
    probabilities[order] = np.where(keep, relative, 0) / relative[keep].sum()
    return probabilities


@pytest.mark.parametrize("sampling", SETTINGS[:8], ids=repr)
def test_draws_follow_the_distribution(sampling: Sampling) -> None:
    rows = [replace(sampling, seed=seed) for seed in range(DRAWS)]
    logits = mx.broadcast_to(mx.array(LOGITS), (DRAWS, VOCABULARY))
    drawn = np.bincount(np.array(Sampler(rows)(logits, [3] * DRAWS)), minlength=VOCABULARY)
    probabilities = expected(sampling)
    assert drawn[probabilities == 0].sum() == 0
    likely = np.argsort(-probabilities)[:20]
    mean = DRAWS * probabilities[likely]
    likely, mean = likely[mean > 5], mean[mean > 5]
    # The seeds are fixed, so this holds or does not, for ever: 50 is far beyond chance.
    assert ((drawn[likely] - mean) ** 2 / mean).sum() < 50


def test_a_row_chooses_alone_what_it_chooses_among_others() -> None:
    rows = [replace(sampling, seed=at) for at, sampling in enumerate(SETTINGS)] * 3
    logits = mx.array(
        np.random.default_rng(1).normal(size=(len(rows), VOCABULARY)).astype(np.float32) * 2
    )
    positions = list(range(len(rows)))
    together = chosen(rows, logits, positions)
    alone = [chosen([row], logits[at : at + 1], [positions[at]])[0] for at, row in enumerate(rows)]
    assert together == alone


@pytest.mark.parametrize("sampling", SETTINGS[1:8], ids=repr)
def test_logits_that_tie_do_not_change_what_a_row_chooses_among_others(sampling: Sampling) -> None:
    # A quarter apart at least, as logits of bfloat16 are.
    coarse = np.round(np.random.default_rng(2).normal(size=(200, VOCABULARY)) * 12) / 4
    logits = mx.array(coarse.astype(np.float32))
    other = Sampling(temperature=1)
    for at in range(len(coarse)):
        row = replace(sampling, seed=at)
        alone = chosen([row], logits[at : at + 1], [at])
        beside = chosen([row, other], mx.repeat(logits[at : at + 1], 2, axis=0), [at, at])
        assert alone == beside[:1]


def test_greedy_rows_take_the_largest_logit() -> None:
    rows = [Sampling(), Sampling(temperature=1, top_p=0), Sampling(temperature=1, top_k=1)]
    logits = mx.broadcast_to(mx.array(LOGITS), (3, VOCABULARY))
    assert chosen(rows, logits, [0, 1, 2]) == [int(LOGITS.argmax())] * 3


def test_a_row_falls_back_to_the_whole_vocabulary_and_returns() -> None:
    flat, steep = mx.zeros((1, VOCABULARY)), mx.array(LOGITS)[None] * 5
    sampler = Sampler([Sampling(temperature=1, top_p=0.9, seed=5)])
    tokens = {int(np.array(sampler(flat, [at]))[0]) for at in range(40)}
    assert len(tokens) > 30
    assert int(np.array(sampler(steep, [41]))[0]) in np.argsort(-LOGITS)[:20]


def test_noise_depends_on_seed_position_and_token_alone() -> None:
    ids = mx.arange(VOCABULARY, dtype=mx.uint32)[None]
    keys = mx.array([row_key(1, 0), row_key(1, 1), row_key(2, 0), row_key(-1, 0)], mx.uint32)
    noise = np.array(gumbel(ids, keys))
    assert np.array_equal(noise[:1], np.array(gumbel(ids, keys[:1])))
    few = mx.array([[7, 900]], mx.uint32)
    assert np.array_equal(noise[:, [7, 900]], np.array(gumbel(few, keys)))
    assert np.abs(np.corrcoef(noise)[np.triu_indices(4, 1)]).max() < 0.12
    assert abs(noise.mean() - np.euler_gamma) < 0.05
    assert abs(noise.var() - np.pi**2 / 6) < 0.12
    assert np.isfinite(noise).all()


@pytest.mark.parametrize("paused_after", range(4))
def test_penalties_are_those_of_their_definitions(paused_after: int) -> None:
    rows = [
        Sampling(),
        Sampling(presence_penalty=0.5, frequency_penalty=0.25),
        Sampling(repetition_penalty=2.0),
    ]
    penalties = Penalties(rows)
    generated = (1, 1, 2)

    def after(tokens: int) -> Counts:
        """Return the counts of rows that were paused after some tokens and then went on."""
        counts = penalties.stack(
            [
                Counts.of(
                    Row(id=0, prompt=[3, 3, 4], sampling=row, generated=generated[:tokens]), 6
                )
                if row.penalizes
                else None
                for row in rows
            ]
        )
        for token in generated[tokens:]:
            counts = penalties.count(counts, mx.array([token] * 3))
        return counts

    counts = after(paused_after)
    logits = mx.array([[1.0, 1.0, 1.0, 1.0, -1.0, -1.0]] * 3)
    plain, presence, repetition = np.array(penalties.apply(logits, counts)).tolist()
    assert plain == [1, 1, 1, 1, -1, -1]
    # Generated tokens alone: 1 twice, 2 once.
    assert presence == [1, 0, 0.25, 1, -1, -1]
    # The prompt's 3 and 4 too.
    assert repetition == [1, 0.5, 0.5, 0.5, -2, -1]
