"""How many threads the BLAS library is left: as many as pay."""

import time
from collections.abc import Callable, Iterator

import pytest

from bodega.backends import blas_threads


class Library:
    """Stands in for the BLAS library: what runs meanwhile tells by it how long it takes."""

    threads = 0
    lib_controllers = ("one",)

    def select(self, *, user_api: str) -> "Library":
        assert user_api == "blas"
        return self

    def limit(self, *, limits: int) -> None:
        self.threads = limits


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    library = Library()
    monkeypatch.setattr(blas_threads, "ThreadpoolController", lambda: library)
    monkeypatch.setattr(blas_threads.platform, "needs_blas", lambda: True)
    monkeypatch.setattr(blas_threads.os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    for name in blas_threads.OPERATORS:
        monkeypatch.delenv(name, raising=False)
    return library


def taking(
    library: Library, monkeypatch: pytest.MonkeyPatch, *, all_s: float, one_s: float
) -> Callable[[], None]:
    """Return what takes so long with all threads and with one, by a clock of its own."""
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def run() -> None:
        clock[0] += one_s if library.threads == 1 else all_s

    return run


@pytest.mark.parametrize(
    ("all_s", "one_s", "threads"), [(0.02, 0.02, 1), (0.02, 0.023, 1), (0.02, 0.03, 4)]
)
def test_one_is_left_unless_more_are_faster(
    library: Library, monkeypatch: pytest.MonkeyPatch, all_s: float, one_s: float, threads: int
) -> None:
    for _ in blas_threads.fit(taking(library, monkeypatch, all_s=all_s, one_s=one_s)):
        pass
    assert library.threads == threads


def test_a_large_model_is_run_once_and_keeps_them_all(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = taking(library, monkeypatch, all_s=3.0, one_s=9.0)
    assert len(list(blas_threads.fit(run))) == 1
    assert library.threads == 4


def test_the_operator_chooses(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert not list(blas_threads.fit(lambda: None))
    assert library.threads == 0
