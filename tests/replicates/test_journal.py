"""Journal: damaged lines are trained again, and never taken over."""

import os
import warnings

import numpy as np
import pytest

from jaxembed import replicates
from jaxembed.replicates._journal import Journal, read
from jaxembed.train.checkpoint._lock import lock
from tests.replicates.test_resume import KEY, N, assert_same, replicate

IDENTITY = {"epochs": 2, "n_parallel": 1, "metrics": ["accuracy", "loss"]}


@pytest.fixture(scope="module")
def whole():
    return replicate()


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "run.json"
    replicate(checkpoint=path)
    return path.read_text().splitlines(keepends=True)


def with_digit(line):
    """Change one digit of the first loss."""
    place = line.index('"loss": [0.') + len('"loss": [0.')
    return line[:place] + str((int(line[place]) + 1) % 10) + line[place + 1 :]


DAMAGES = {
    "a digit": lambda lines: [lines[0], with_digit(lines[1]), *lines[2:]],
    "a number": lambda lines: [lines[0], lines[1].replace(": 0,", ": 1,"), *lines[2:]],
    "two metrics exchanged": lambda lines: [
        *lines[:3],
        lines[3].replace("loss", "x").replace("accuracy", "loss").replace("x", "acc"),
        *lines[4:],
    ],
    "cut": lambda lines: [*lines[:5], lines[5][:-30]],
    "no JSON": lambda lines: [*lines[:2], "\xff\n", *lines[3:]],
    "deep": lambda lines: [*lines[:2], "[" * 100_000 + "\n", *lines[3:]],
    "a newline": lambda lines: [lines[0], lines[1].rstrip() + lines[2], *lines[3:]],
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_line_is_trained_again(name, lines, whole, tmp_path):
    path = tmp_path / "run.json"
    path.write_text("".join(DAMAGES[name](lines)), encoding="latin-1")
    with pytest.warns(
        UserWarning, match="damaged lines in .*run.json: 1. .*trained again"
    ):
        assert_same(whole, replicate(checkpoint=path))
    assert path.read_text() == "".join(lines)
    assert_same(whole, replicate(checkpoint=path))


def test_all_lines_damaged(lines, whole, tmp_path):
    path = tmp_path / "run.json"
    path.write_text("".join([lines[0], *map(with_digit, lines[1:])]))
    with pytest.warns(UserWarning, match="damaged lines in .*run.json: 5"):
        assert_same(whole, replicate(checkpoint=path))


@pytest.mark.parametrize(
    "change",
    [
        lambda first, *rest: [first, *rest[::-1]],
        lambda first, *rest: [first, *rest, *rest],
        lambda first, *rest: [first, rest[4], rest[1]],
        lambda first, *rest: [first],
    ],
    ids=["reversed", "repeated", "some deleted", "all deleted"],
)
def test_whole_lines_in_any_order(change, lines, whole, tmp_path):
    path = tmp_path / "run.json"
    path.write_text("".join(change(*lines)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(whole, replicate(checkpoint=path))


def make(path, identity=IDENTITY, n=2):
    return Journal(path, np.arange(2 * n, dtype=np.int32).reshape(n, 2), identity)


def save(journal, values):
    metrics = [{"loss": row, "accuracy": row} for row in values]
    journal.save({k: journal.row(k, own) for k, own in enumerate(metrics)})


def test_a_line_of_another_run_does_not_match(tmp_path):
    """Take a line of a run with equal draws, epochs and metrics."""
    journal, other = (make(tmp_path / f"{k}.json", IDENTITY | {"k": k}) for k in (1, 2))
    save(journal, np.full((2, 2), 0.25))
    save(other, np.full((2, 2), 0.5))
    mine, theirs = (
        j.path.read_text().splitlines(keepends=True) for j in (journal, other)
    )
    journal.path.write_text("".join([*mine[:2], theirs[2]]))
    with pytest.warns(UserWarning, match="damaged lines in .*1.json: 1"):
        rows = journal.load()
    assert list(rows) == [0] and rows[0].metrics["loss"] == [0.25, 0.25]


def test_nan_comes_back_as_nan(tmp_path):
    journal = make(tmp_path / "run.json")
    save(journal, np.array([[0.1, np.nan], [1 / 3, np.inf]]))
    found = [row.metrics["loss"] for row in journal.load().values()]
    assert found == [[0.1, None], [1 / 3, None]]


def test_a_line_with_other_metrics_is_damaged(tmp_path):
    """Seal metrics that the run does not have, as a faulty program could."""
    journal = make(tmp_path / "run.json")
    journal.save({0: journal.row(0, {"loss": np.zeros(2)})})
    assert read(journal.path)[1:] == ({}, 1)


def test_fewer_replicates_keep_the_lines_of_the_others(lines, whole, tmp_path):
    path = tmp_path / "run.json"
    path.write_text("".join([lines[0], with_digit(lines[1]), *lines[2:]]))
    fewer = replicates.draw_examples(KEY, 3, N, 20)
    with pytest.warns(UserWarning, match="damaged lines in .*run.json: 1"):
        found = replicate(checkpoint=path, examples=fewer)
    np.testing.assert_array_equal(found.loss, whole.loss[:3])
    assert path.read_text() == "".join(lines)


def test_a_second_run_on_a_journal_is_refused(lines, whole, tmp_path):
    path, other = tmp_path / "run.json", tmp_path / "other.json"
    path.write_text("".join(lines[:3]))
    message = rf"writes the checkpoint {path}: process {os.getpid()} on host"
    with lock(path, is_file=True):
        with pytest.raises(BlockingIOError, match=message):
            replicate(checkpoint=path)
        assert path.read_text() == "".join(lines[:3])
        assert_same(whole, replicate(checkpoint=other))  # has a lock of its own
    assert_same(whole, replicate(checkpoint=path))
    assert sorted(file.name for file in tmp_path.iterdir()) == [other.name, path.name]
