"""Memory is never overdrawn, whatever comes, and everybody is answered to the end all the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodega.backends.cache_cost import CacheCost
from bodega.backends.lengths import PAGE_TOKENS, SHORTEST_TOKENS
from bodega.engine.budget import SOFT_SHARE, CacheBudget, Tally
from bodega.engine.scheduler import Scheduler
from bodega.errors import InsufficientMemory
from tests.engine.played import Played

COSTS = st.sampled_from(
    [
        CacheCost(token_bytes=7),
        CacheCost(token_bytes=3, windows=((5, 16), (2, 600)), row_bytes=1000),
    ]
)
# Many cross the bounds of their classes; answers are long enough to outgrow any reserve.
ROWS = st.lists(
    st.tuples(st.integers(1, 1200), st.integers(1, 900)), min_size=1, max_size=12
)  # prompt tokens, most tokens


def played(
    rows: list[tuple[int, int]], *, cost: CacheCost, spare: float, max_rows: int = 8
) -> tuple[Played, CacheBudget]:
    """Return rows that wait for a memory some times as large as the largest needs alone."""
    largest = max(cost.bytes(rows=1, tokens=prompt + most) for prompt, most in rows)
    budget = CacheBudget(cost=cost, size_bytes=int(spare * largest))
    scheduler = Scheduler(max_rows=max_rows, budget=budget)
    for row, (prompt, most) in enumerate(rows):
        assert budget.most_tokens(prompt_tokens=prompt, max_tokens=most) == most
        scheduler.submit(row, prompt_tokens=prompt, max_tokens=most)
    return Played(scheduler, dict(enumerate(rows))), budget


@settings(deadline=None, max_examples=60)
@given(ROWS, COSTS, st.floats(1.0, 4.0), st.integers(64, 2048), st.data())
def test_memory_is_never_overdrawn_and_every_row_ends_once(
    rows: list[tuple[int, int]],
    cost: CacheCost,
    spare: float,
    slice_tokens: int,
    data: st.DataObject,
) -> None:
    doomed = data.draw(
        st.dictionaries(st.integers(0, 400), st.integers(0, len(rows) - 1), max_size=4)
    )
    runner, budget = played(rows, cost=cost, spare=spare)
    steps = 0
    while not runner.scheduler.idle:
        oldest = min((row for row in range(len(rows)) if not runner.ended[row]), default=None)
        cancelled = steps in doomed
        if cancelled:
            runner.end(doomed[steps])
        plan = runner.step(slice_tokens)
        assert runner.taken_bytes(cost) <= runner.scheduler.taken_bytes <= budget.size_bytes
        assert plan.prefix_bytes + runner.scheduler.taken_bytes <= max(
            budget.soft_bytes, runner.scheduler.taken_bytes
        )
        # The oldest goes on, so in the end each does.
        assert oldest not in plan.pause
        assert cancelled or plan.prefill or plan.decode or plan.leave
        steps += 1
        assert steps < 40_000
    assert all(runner.ended[row] == 1 for row in range(len(rows)))
    for row, (_, most) in enumerate(rows):
        if row not in doomed.values():
            assert runner.tokens[row] == most


@settings(deadline=None, max_examples=60)
@given(ROWS, COSTS, st.floats(1.0, 4.0))
def test_rows_have_their_first_turn_in_the_order_they_came(
    rows: list[tuple[int, int]], cost: CacheCost, spare: float
) -> None:
    runner, _ = played(rows, cost=cost, spare=spare)
    turns: list[int] = []
    admit = runner.scheduler.admit

    def noted() -> list[int]:
        admitted = admit()
        turns.extend(row for row in admitted if row not in turns)
        return admitted

    runner.scheduler.admit = noted  # type: ignore[method-assign]
    while not runner.scheduler.idle:
        runner.step(512)
    assert turns == list(range(len(rows)))


def test_the_youngest_pauses_and_waits_before_all_others() -> None:
    cost = CacheCost(token_bytes=1)
    three = cost.bytes(rows=3, tokens=100 + PAGE_TOKENS)
    budget = CacheBudget(cost=cost, size_bytes=int(three / SOFT_SHARE) + 1)
    scheduler = Scheduler(max_rows=8, budget=budget)
    rows = dict.fromkeys(range(4), (100, 500))
    runner = Played(scheduler, rows)
    for row, (prompt, most) in rows.items():
        scheduler.submit(row, prompt_tokens=prompt, max_tokens=most)
    runner.step(512)
    assert runner.running == {0, 1, 2}
    while not (plan := runner.step(512)).pause:
        assert runner.running == {0, 1, 2}
    assert plan.pause == (2,)
    had = runner.tokens[2]
    while runner.running == {0, 1}:
        runner.step(512)
    assert 2 in runner.running
    # What was under way when it paused came after that.
    assert runner.tokens[2] in (had, had + 1, had + 2)
    while not scheduler.idle:
        runner.step(512)
    assert runner.tokens == {row: most for row, (_, most) in rows.items()}


def test_what_a_row_took_is_free_when_it_has_ended() -> None:
    cost = CacheCost(token_bytes=1)
    budget = CacheBudget(cost=cost, size_bytes=10_000)
    scheduler = Scheduler(max_rows=8, budget=budget)
    for row in range(2):
        scheduler.submit(row, prompt_tokens=100, max_tokens=50)
    scheduler.admit()
    for _ in range(5):
        scheduler.plan(slice_tokens=512)
    assert scheduler.taken_bytes == cost.bytes(rows=2, tokens=106)
    scheduler.end(1)
    scheduler.plan(slice_tokens=512)
    assert scheduler.taken_bytes == cost.bytes(rows=1, tokens=107)
    scheduler.end(0)
    scheduler.plan(slice_tokens=512)
    assert scheduler.taken_bytes == 0


def test_a_row_reserves_its_prompt_and_a_page_but_not_its_whole_answer() -> None:
    cost = CacheCost(token_bytes=1)
    each = cost.bytes(rows=1, tokens=100 + PAGE_TOKENS)
    budget = CacheBudget(cost=cost, size_bytes=int(3 * each / SOFT_SHARE) + 1)
    scheduler = Scheduler(max_rows=8, budget=budget)
    for row in range(4):
        scheduler.submit(row, prompt_tokens=100, max_tokens=1000)
    assert scheduler.admit() == [0, 1, 2]
    scheduler.end(0)
    assert scheduler.admit() == [3]


def test_a_row_too_large_for_company_waits_and_runs_alone() -> None:
    cost = CacheCost(token_bytes=1)
    budget = CacheBudget(cost=cost, size_bytes=1000)
    scheduler = Scheduler(max_rows=8, budget=budget)
    scheduler.submit(0, prompt_tokens=10, max_tokens=10)
    scheduler.submit(1, prompt_tokens=720, max_tokens=20)
    scheduler.submit(2, prompt_tokens=10, max_tokens=10)
    assert scheduler.admit() == [0]
    scheduler.plan(slice_tokens=512)
    assert scheduler.admit() == []
    scheduler.end(0)
    assert scheduler.admit() == [1]
    scheduler.end(1)
    assert scheduler.admit() == [2]


def test_prefixes_give_way_to_rows_above_the_soft_mark() -> None:
    cost = CacheCost(token_bytes=1)
    budget = CacheBudget(cost=cost, size_bytes=10_000)
    scheduler = Scheduler(max_rows=8, budget=budget)
    assert scheduler.plan(slice_tokens=64).prefix_bytes == budget.soft_bytes
    scheduler.submit(0, prompt_tokens=5000, max_tokens=10)
    scheduler.admit()
    plan = scheduler.plan(slice_tokens=64)
    assert plan.prefix_bytes == budget.soft_bytes - scheduler.taken_bytes
    assert scheduler.taken_bytes == cost.bytes(rows=1, tokens=5001)
    scheduler.end(0)
    assert scheduler.plan(slice_tokens=64).prefix_bytes == budget.soft_bytes


def test_what_could_never_fit_is_refused_with_both_figures() -> None:
    cost = CacheCost(token_bytes=10)
    budget = CacheBudget(cost=cost, size_bytes=10_000)
    longest = cost.longest(10_000)
    assert cost.bytes(rows=1, tokens=longest) <= 10_000 < cost.bytes(rows=1, tokens=longest + 1)
    with pytest.raises(InsufficientMemory) as raised:
        budget.most_tokens(prompt_tokens=longest - PAGE_TOKENS + 1, max_tokens=10_000)
    assert raised.value.code == "insufficient_memory"
    assert str(cost.bytes(rows=1, tokens=longest + 1)) in raised.value.message
    assert "10000" in raised.value.message


def test_an_answer_is_cut_to_what_fits_when_it_is_alone() -> None:
    budget = CacheBudget(cost=CacheCost(token_bytes=10), size_bytes=10_000)
    longest = budget.cost.longest(10_000)
    prompt = longest - PAGE_TOKENS
    assert budget.most_tokens(prompt_tokens=prompt, max_tokens=10_000) == PAGE_TOKENS
    assert budget.most_tokens(prompt_tokens=prompt, max_tokens=5) == 5
    # A short answer needs no page.
    assert budget.most_tokens(prompt_tokens=longest - 5, max_tokens=5) == 5


def test_a_long_row_does_not_multiply_what_short_ones_take() -> None:
    cost = CacheCost(token_bytes=1)
    budget = CacheBudget(cost=cost, size_bytes=10**9)
    short = [(0, 10)] * 16
    alone = budget.taken_bytes(Tally(short))
    long = 20 * SHORTEST_TOKENS
    assert budget.taken_bytes(Tally([*short, (3, long)])) == alone + cost.bytes(rows=1, tokens=long)
