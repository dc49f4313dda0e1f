"""What is told of a download's progress, by a clock of the test's own."""

from bodega.hub.progress import DownloadStage, Meter, Progress


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def meter(clock: Clock, here: dict[str, int] | None = None) -> tuple[Meter, list[Progress]]:
    """Return a meter of two files and what it tells."""
    told: list[Progress] = []
    return Meter({"small": 100, "large": 900}, here or {}, told.append, clock), told


def test_the_first_progress_tells_what_there_is() -> None:
    _, told = meter(Clock(), {"large": 400})
    (first,) = told
    assert (first.done_bytes, first.total_bytes, first.fraction) == (400, 1000, 0.4)
    assert (first.done_files, first.total_files) == (0, 2)
    assert first.seconds_left is None


def test_it_is_told_ten_times_a_second_at_most_but_for_changes_of_state() -> None:
    clock = Clock()
    one, told = meter(clock)
    one.begin("large", DownloadStage.DOWNLOADING)
    for count in range(1, 101):
        clock.now += 0.01
        one.fetched("large", 1, count)
    assert 8 <= len(told) - 2 <= 10
    before = len(told)
    one.finish("large")
    assert len(told) == before + 1


def test_the_rate_and_the_time_left_are_those_of_the_last_seconds() -> None:
    clock = Clock()
    one, told = meter(clock, {"small": 100})
    one.begin("large", DownloadStage.DOWNLOADING)
    for count in range(1, 41):
        clock.now += 0.5
        one.fetched("large", 10, 10 * count)
    assert round(told[-1].bytes_per_s, 6) == 20.0
    assert round(told[-1].seconds_left or 0.0, 6) == 25.0
    clock.now += 60.0
    one.fetched("large", 0, 400)
    assert told[-1].bytes_per_s < 1.0


def test_what_is_fetched_again_takes_nothing_back() -> None:
    clock = Clock()
    one, told = meter(clock)
    one.begin("large", DownloadStage.DOWNLOADING)
    for here in (900, 0, 300):
        clock.now += 1.0
        one.fetched("large", 300, here)
    assert [progress.done_bytes for progress in told[-3:]] == [900, 900, 900]
    assert told[-1].file_fraction == 300 / 900


def test_the_largest_file_of_those_under_way_is_the_current_one() -> None:
    one, told = meter(Clock())
    one.begin("small", DownloadStage.DOWNLOADING)
    assert told[-1].current_file == "small"
    one.begin("large", DownloadStage.VERIFYING)
    assert (told[-1].current_file, told[-1].stage) == ("large", DownloadStage.VERIFYING)
    one.finish("large")
    assert (told[-1].current_file, told[-1].stage) == ("small", DownloadStage.DOWNLOADING)


def test_all_files_are_not_yet_the_end() -> None:
    one, told = meter(Clock())
    one.finish("small")
    one.finish("large")
    assert told[-1].done_files == 2
    assert told[-1].stage is DownloadStage.VERIFYING
    assert told[-1].fraction < 1.0
    one.complete()
    assert (told[-1].stage, told[-1].fraction) == (DownloadStage.COMPLETED, 1.0)


def test_verifying_moves_the_file_and_not_the_whole() -> None:
    clock = Clock()
    one, told = meter(clock, {"large": 900})
    one.begin("large", DownloadStage.VERIFYING)
    clock.now += 1.0
    one.verified("large", 450)
    assert (told[-1].file_fraction, told[-1].fraction) == (0.5, 0.9)
    assert told[-1].bytes_per_s == 0.0
