"""When a child is started again, decided without clock or process."""

from bodega.supervisor.restart import RestartPolicy


def policy() -> RestartPolicy:
    return RestartPolicy(first_s=0.1, most_s=1.0, steady_s=60.0, failed_starts=3)


def test_the_wait_doubles_from_death_to_death_up_to_its_most() -> None:
    waits = policy()
    told = [waits.wait_s(lived_s=1, was_ready=True) for _ in range(6)]
    assert told == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_a_long_life_makes_the_deaths_before_it_forgotten() -> None:
    waits = policy()
    for _ in range(4):
        waits.wait_s(lived_s=1, was_ready=True)
    assert waits.wait_s(lived_s=60, was_ready=True) == 0.1
    assert waits.wait_s(lived_s=1, was_ready=True) == 0.2


def test_failed_starts_in_a_row_end_in_giving_up() -> None:
    waits = policy()
    assert waits.wait_s(lived_s=1, was_ready=False) == 0.1
    assert waits.wait_s(lived_s=1, was_ready=False) == 0.2
    assert waits.wait_s(lived_s=1, was_ready=False) is None


def test_a_start_that_succeeds_makes_the_failed_ones_forgotten() -> None:
    waits = policy()
    for _ in range(2):
        waits.wait_s(lived_s=1, was_ready=False)
    waits.wait_s(lived_s=1, was_ready=True)
    assert waits.wait_s(lived_s=1, was_ready=False) is not None


def test_a_very_long_row_of_deaths_still_has_a_wait() -> None:
    waits = policy()
    for _ in range(5000):
        assert waits.wait_s(lived_s=1, was_ready=True) <= 1.0
