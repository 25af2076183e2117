"""Rounds: seeds, limits on time and memory, and the report."""

import time

import numpy as np
import pytest

from tests.fuzz._mutations import MUTATIONS, mutate
from tests.fuzz._rounds import (
    VARIABLE,
    Rounds,
    find_share,
    peak_memory,
    reset_peak,
    summarize,
)


def test_example_k_has_its_own_seed():
    numbers = [rng.integers(10**9) for rng in Rounds("a")(seed=3, n=4)]
    expected = [np.random.default_rng([3, k]).integers(10**9) for k in range(4)]
    assert numbers == expected


def test_the_time_limit_is_shared(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert find_share(4) is None
    monkeypatch.setenv(VARIABLE, "2")
    assert find_share(4) == 0.5
    rounds = Rounds("a", find_share(40))
    begin = time.monotonic()
    assert sum(1 for _ in rounds(seed=0, n=1)) == rounds.n_examples > 1
    assert time.monotonic() - begin >= 0.05


def test_an_example_that_hangs_fails():
    rounds = Rounds("a", max_seconds=0.05)
    with pytest.raises(AssertionError, match=r"took more than 0\.05 seconds"):
        for _ in rounds(seed=0):
            time.sleep(5)
    assert rounds.seed == [0, 0]


@pytest.mark.long
def test_an_example_that_takes_memory_fails():
    rounds, held = Rounds("a", max_growth=1 << 26), []
    with pytest.raises(AssertionError, match="bytes of memory"):
        for _ in rounds(seed=0):
            held.append(np.ones(peak_memory() // 8))


def test_the_memory_of_earlier_tests_is_forgotten():
    reset_peak()
    before = peak_memory()
    held = np.ones(1 << 24)
    assert peak_memory() - before > 100_000_000
    del held
    assert reset_peak() - before < 50_000_000


def test_refusals_are_counted_and_other_errors_raised():
    rounds = Rounds("a")
    for rng in rounds(seed=0, n=3):
        with rounds.refusals(ValueError):
            if rng is not None:
                raise ValueError
    assert (rounds.n_examples, rounds.n_refused) == (3, 3)
    with pytest.raises(KeyError), rounds.refusals(ValueError):
        raise KeyError


def test_the_report_adds_up():
    tallies = [Rounds("a", n_examples=3, n_refused=1, slowest=0.5)]
    sizes = {"growth": 3 << 20, "peak": 9 << 20}
    tallies.append(Rounds("b", n_examples=4, n_refused=2, slowest=0.25, **sizes))
    *_, last = summarize(tallies, n_failed=1)
    assert last == (
        "in all: 7 examples, 3 refused, 1 errors, slowest 0.50 s, memory at most "
        "+3 MiB, peak 9 MiB"
    )


@pytest.mark.parametrize("kind", MUTATIONS, ids=lambda kind: kind.__name__)
def test_each_mutation_changes_the_data_by_its_seed(kind):
    data = bytes(range(1, 200))
    results = [kind(data, np.random.default_rng(seed)) for seed in range(50)]
    assert results == [kind(data, np.random.default_rng(seed)) for seed in range(50)]
    assert sum(result != data for result in results) > 45
    assert mutate(b"", np.random.default_rng(0)) == b""
