"""What the scheduler promises, whatever comes: budgets, order, and that every row ends."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bodega.backends.cache_cost import CacheCost
from bodega.engine.budget import CacheBudget
from bodega.engine.scheduler import Scheduler
from tests.engine.played import Played

ROWS = st.lists(
    st.tuples(st.integers(1, 300), st.integers(1, 40)), min_size=1, max_size=40
)  # prompt tokens, most tokens

PLENTY = CacheBudget(cost=CacheCost(token_bytes=1), size_bytes=10**9)


def submitted(rows: list[tuple[int, int]], max_rows: int) -> Played:
    scheduler = Scheduler(max_rows=max_rows, budget=PLENTY)
    for row, (prompt, most) in enumerate(rows):
        scheduler.submit(row, prompt_tokens=prompt, max_tokens=most)
    return Played(scheduler, dict(enumerate(rows)))


@given(ROWS, st.integers(1, 8), st.integers(1, 128))
def test_every_row_gets_exactly_its_tokens(
    rows: list[tuple[int, int]], max_rows: int, slice_tokens: int
) -> None:
    played = submitted(rows, max_rows)
    steps = 0
    while not played.scheduler.idle:
        played.step(slice_tokens)
        steps += 1
        assert steps < 40 * 400
    assert played.tokens == Counter({row: most for row, (_, most) in enumerate(rows)})
    assert played.prefilled == Counter({row: prompt for row, (prompt, _) in enumerate(rows)})


@given(ROWS, st.integers(1, 8), st.integers(1, 128))
def test_budgets_hold_in_every_step(
    rows: list[tuple[int, int]], max_rows: int, slice_tokens: int
) -> None:
    played = submitted(rows, max_rows)
    while not played.scheduler.idle:
        plan = played.step(slice_tokens)
        assert len(played.running) <= max_rows
        assert sum(piece.stop - piece.start for piece in plan.prefill) <= slice_tokens
        assert plan.prefill or plan.decode or plan.leave


@given(ROWS, st.integers(1, 8))
def test_rows_are_admitted_in_the_order_they_came(
    rows: list[tuple[int, int]], max_rows: int
) -> None:
    played = submitted(rows, max_rows)
    admitted: list[int] = []
    while not played.scheduler.idle:
        before = set(played.running)
        played.step(64)
        admitted += sorted(played.running - before)
    # Rows of one token come and go within a step.
    assert admitted == sorted(admitted)


@given(ROWS, st.integers(1, 8), st.data())
def test_rows_that_end_at_any_time_leave_the_others_alone(
    rows: list[tuple[int, int]], max_rows: int, data: st.DataObject
) -> None:
    played = submitted(rows, max_rows)
    doomed = data.draw(st.dictionaries(st.integers(0, 30), st.integers(0, len(rows) - 1)))
    step = 0
    ended = set()
    while not played.scheduler.idle:
        if step in doomed:
            ended.add(doomed[step])
            played.end(doomed[step])
        played.step(32)
        step += 1
    for row, (_, most) in enumerate(rows):
        if row not in ended:
            assert played.tokens[row] == most


def test_a_short_prompt_is_not_behind_a_long_one() -> None:
    played = submitted([(10_000, 1), (20, 1)], max_rows=2)
    steps = 0
    while played.tokens[1] == 0:
        played.step(64)
        steps += 1
    assert steps <= 2


def test_a_prompt_that_would_fit_in_a_slice_is_not_cut() -> None:
    played = submitted([(60, 1), (60, 1), (60, 1)], max_rows=3)
    slices = [played.step(100).prefill for _ in range(3)]
    assert [[(piece.start, piece.stop) for piece in each] for each in slices] == [[(0, 60)]] * 3


def test_a_long_prompt_takes_what_others_leave_of_a_slice() -> None:
    played = submitted([(60, 1), (300, 1)], max_rows=2)
    assert [piece.stop - piece.start for piece in played.step(100).prefill] == [60, 40]


def test_a_long_prompt_ends_beside_endless_short_ones() -> None:
    scheduler = Scheduler(max_rows=8, budget=PLENTY)
    rows = {0: (640, 1)}
    scheduler.submit(0, prompt_tokens=640, max_tokens=1)
    played = Played(scheduler, rows)
    for step in range(1, 40):
        rows[step] = (64, 1)
        scheduler.submit(step, prompt_tokens=64, max_tokens=1)
        played.step(64)
        if played.tokens[0]:
            return
    raise AssertionError("the long prompt starves")
