"""A token that was chosen among too few is corrected, though the next step has begun with it."""

from dataclasses import replace

import pytest

from bodega.backends.base import Row, Sampling
from bodega.backends.lm import batch, sampling
from tests.lm.rows import Rows, given, held_to
from tests.lm.test_runner import Batch, loaded, prompts

WIDE = Sampling(temperature=2.5, top_p=0.97)
ROWS = [
    Row(id=0, prompt=given()[0], sampling=replace(WIDE, seed=1)),
    Row(id=1, prompt=given()[1], sampling=Sampling()),
    Row(id=2, prompt=given()[2], sampling=replace(WIDE, seed=2, presence_penalty=1.0)),
    Row(id=3, prompt=given()[3], sampling=replace(WIDE, seed=3), top_logprobs=2),
    Row(id=4, prompt=given()[4], sampling=Sampling(temperature=1.5, seed=4)),
    Row(id=5, prompt=given()[5], sampling=replace(WIDE, seed=5, frequency_penalty=0.5)),
]


@pytest.fixture
def corrections(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note which steps back found something to correct."""
    noted: list[bool] = []
    original = batch.Batch.step_back

    def step_back(self: batch.Batch, right: dict[int, int], *, chosen: bool) -> bool:
        noted.append(original(self, right, chosen=chosen))
        return noted[-1]

    monkeypatch.setattr(batch.Batch, "step_back", step_back)
    return noted


def look_at(candidates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "CANDIDATES", candidates)
    monkeypatch.setattr(sampling, "WIDE_STEPS", 1)


def come_and_go(rows: list[Row]) -> Rows:
    """Return rows of which some join and some leave while the others run."""
    ran = Rows(rows)
    ran.enter(0, 1, 2)
    ran.step(5)
    ran.enter(3, 4)
    ran.step(4)
    ran.runner.leave([1])
    ran.step(3)
    ran.enter(5)
    ran.step(12)
    return ran


def guided(rows: list[Row]) -> list[Row]:
    return [
        replace(row, guide=held_to(r'start: /([a-z]{1,8} ){40}"."/')) if row.id in (2, 3) else row
        for row in rows
    ]


@pytest.mark.parametrize("with_guides", [False, True])
def test_rows_choose_as_if_everything_had_been_looked_at(
    monkeypatch: pytest.MonkeyPatch, corrections: list[bool], *, with_guides: bool
) -> None:
    rows = (lambda: guided(ROWS)) if with_guides else (lambda: ROWS)
    look_at(10**6, monkeypatch)
    expected = come_and_go(rows())
    assert not corrections
    look_at(4, monkeypatch)
    ran = come_and_go(rows())
    assert corrections.count(True) > 5
    for row in range(len(ROWS)):
        assert ran.tokens(row) == expected.tokens(row)
    for mine, other in zip(ran.chosen[3], expected.chosen[3], strict=True):
        assert mine.logprobs is not None
        assert other.logprobs is not None
        assert mine.logprobs.chosen == pytest.approx(other.logprobs.chosen, abs=1e-4)


@pytest.mark.parametrize("family", ["gpt_oss", "qwen3_next"])
def test_caches_that_cannot_step_back_wait_for_a_sure_choice(
    monkeypatch: pytest.MonkeyPatch, corrections: list[bool], family: str
) -> None:
    model, tokenizer = loaded(family)
    answers = []
    for candidates in (10**6, 4):
        look_at(candidates, monkeypatch)
        ran = Batch(model)
        for row, prompt in enumerate(prompts(tokenizer)[:2]):
            ran.enter({row: prompt}, sampling=replace(WIDE, seed=row))
        ran.decode(12)
        answers.append(ran.tokens)
    assert answers[0] == answers[1]
    assert not corrections
