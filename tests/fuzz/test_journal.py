"""Journal: random damage never changes the metrics that a run takes over."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxembed.replicates._journal import Journal, read
from tests.fuzz._mutations import flip, mutate

IDENTITY = {"key": [0, 7], "epochs": 3, "n_parallel": 2}
IDENTITY |= {"metrics": ["accuracy", "loss"], "program": "ab" * 32}
K = 6


def make(path, seed=0, **changed):
    """Save K replicates with random metrics, and return their journal."""
    rng = np.random.default_rng(seed)
    draws = np.random.default_rng(9).integers(0, 99, (K, 4)).astype(np.int32)
    journal = Journal(path, draws, IDENTITY | changed)
    values = rng.random((K, 2, 3))
    values[2, 0, 1:] = np.nan  # a replicate that diverges
    names = ("loss", "accuracy")
    journal.save(
        {k: journal.row(k, dict(zip(names, values[k], strict=True))) for k in range(K)}
    )
    return journal


def load(journal, rounds):
    """Return the rows that a run takes over, or None for a refused file."""
    with warnings.catch_warnings(), rounds.refusals(ValueError):
        warnings.simplefilter("ignore")
        return journal.load()
    return None


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    return make(tmp_path_factory.mktemp("journal") / "run.json")


@pytest.mark.parametrize("damage", [mutate, flip])
def test_no_damaged_metric_is_taken_over(journal, damage, rounds, tmp_path):
    right, data = journal.load(), journal.path.read_bytes()
    path = tmp_path / "run.json"
    damaged = Journal(path, journal.examples, journal.identity)
    for rng in rounds(seed=11):
        path.write_bytes(damage(data, rng))
        found = load(damaged, rounds)
        assert found is None or found.items() <= right.items()


@pytest.mark.parametrize("damage", [mutate, flip])
def test_a_damaged_file_costs_few_replicates(journal, damage, rounds, tmp_path):
    """Check that one flipped bit costs at most two lines, and that cuts leave lines."""
    data, most = journal.path.read_bytes(), 0
    path = tmp_path / "run.json"
    damaged = Journal(path, journal.examples, journal.identity)
    for rng in rounds(seed=12):
        path.write_bytes(damage(data, rng))
        rows = load(damaged, rounds)
        if rows is not None:
            most = max(most, len(rows))
            assert damage is not flip or len(rows) >= K - 2
    assert most > 0


@given(order=st.lists(st.integers(0, 2 * K - 1), max_size=3 * K))
def test_lines_of_two_runs_in_any_order(order, journal, tmp_path_factory):
    """Mix, repeat and delete lines of two runs that differ only in their key."""
    folder = tmp_path_factory.getbasetemp()
    other = make(folder / "other.json", seed=1, key=[0, 8])
    first, *mine = journal.path.read_bytes().splitlines(keepends=True)
    pool = [*mine, *other.path.read_bytes().splitlines(keepends=True)[1:]]
    path = folder / "mixed.json"
    path.write_bytes(b"".join([first, *(pool[i] for i in order)]))
    _, rows, n_damaged = read(path)
    right = journal.load()
    assert rows == {i: right[i] for i in order if i < K}
    assert n_damaged == sum(i >= K for i in order)
