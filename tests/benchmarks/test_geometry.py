"""Benchmark of geometry: checked by NumPy, with and without gensim."""

import sys

import numpy as np
import pytest

from benchmarks import geometry as benchmark
from benchmarks.harness import expected_geometry, machine, workloads
from jaxembed import vectors

NEAREST, ANALOGIES = benchmark.NEAREST, benchmark.ANALOGIES
SMALL = ["--workload", "70x5x1", "--batch-sizes", "1", "3", "--pairs", "8"]
SMALL += ["--seconds", "0"]


@pytest.fixture(autouse=True)
def _small_table(monkeypatch):
    made_up = workloads.parse_workload("500x100x1")
    monkeypatch.setattr(benchmark, "MADE_UP", made_up)


def run(read_lines, *arguments):
    benchmark.main([*SMALL, *arguments])
    return read_lines()


def test_each_question_has_its_lines(read_lines):
    lines = run(read_lines)
    found = [
        (line["what"], line["batch_size"], line["implementation"]) for line in lines
    ]
    assert found == [
        (NEAREST, 1, "jaxembed"),
        (NEAREST, 1, "jaxembed, most_similar"),
        (NEAREST, 1, "numpy"),
        (NEAREST, 1, "gensim"),
        (NEAREST, 3, "jaxembed"),
        (NEAREST, 3, "numpy"),
        (NEAREST, 3, "gensim"),
        (ANALOGIES, 8 * 7, "jaxembed"),
        (ANALOGIES, 8 * 7, "gensim"),
    ]
    assert {line["workload"] for line in lines} == {"70x5x1", "500x100x1"}
    assert all(line["a_a"] > 0 for line in lines)
    assert 0.1 < lines[-1]["accuracy"] < 1  # some answers are right, some are wrong


def test_files_are_read_without_gensim(tmp_path, monkeypatch, read_lines):
    monkeypatch.setitem(sys.modules, "gensim", None)
    made = benchmark.make_vectors(500, 100, 8)
    path = vectors.save(made, tmp_path / "vectors.txt", "word2vec")
    questions = tmp_path / "questions.txt"
    questions.write_text(": one\nword1 word2 word3 word4\nword5 word6 word7 nowhere\n")
    lines = run(read_lines, "--vectors", str(path), "--questions", str(questions))
    assert lines[0]["implementation"] == "gensim"
    assert "is missing" in lines[0]["left_out"]
    assert "gensim" not in [line["implementation"] for line in lines[1:]]
    last = lines[-1]
    assert (last["what"], last["workload"]) == (ANALOGIES, "vectors.txt")
    assert (last["batch_size"], last["skipped"]) == (1, 1)
    with pytest.raises(SystemExit):
        benchmark.main(["--vectors", "alone.txt"])


@pytest.mark.parametrize("wrong", ["rows", "cosines", "self", "twice"])
def test_wrong_words_are_refused(monkeypatch, capsys, wrong):
    nearest = benchmark.geometry.nearest

    def wrongly(table, queries, topn, exclude):
        if wrong == "self":
            exclude = None
        cosines, rows = nearest(table, queries, topn + (wrong == "rows"), exclude)
        if wrong == "cosines":
            return cosines + 1e-4, rows
        if wrong == "twice":
            rows = np.where(np.arange(topn) == 1, rows[:, :1], rows)
        return cosines[:, -topn:], rows[:, -topn:]

    monkeypatch.setattr(benchmark.geometry, "nearest", wrongly)
    with pytest.raises(SystemExit, match="most similar: jaxembed is wrong"):
        benchmark.main(SMALL)
    assert capsys.readouterr().out == ""


def test_blocks_hold_all_words(monkeypatch):
    matrix = np.random.default_rng(0).normal(size=(70, 5)).astype(np.float32)
    batch = np.array([3, 64])
    unit = expected_geometry.to_unit(matrix)
    inputs = unit[batch], matrix, batch
    whole = expected_geometry.find_best(*inputs, topn=10)
    monkeypatch.setattr(expected_geometry, "BLOCK", 32)
    blocks = expected_geometry.find_best(*inputs, topn=10)
    np.testing.assert_array_equal(blocks, whole)
    cosines, rows = benchmark.find_nearest(unit, batch)
    np.testing.assert_allclose(cosines, whole)
    assert not np.any(rows == batch[:, None])


@pytest.mark.parametrize("peers", [["--peers"], ["--peers", "gensim"]], ids=len)
def test_wrong_analogies_are_refused(monkeypatch, capsys, peers):
    evaluate = benchmark.geometry.evaluate_analogies

    def wrongly(*arguments):
        return evaluate(*arguments, method="mul")

    monkeypatch.setattr(benchmark.geometry, "evaluate_analogies", wrongly)
    with pytest.raises(SystemExit, match="analogies: jaxembed is wrong"):
        benchmark.main([*SMALL, *peers])
    assert ANALOGIES not in capsys.readouterr().out


def test_what_has_no_room_is_left_out(monkeypatch, read_lines):
    monkeypatch.setattr(machine, "find_free", lambda: 0)
    line, *analogies = run(read_lines)
    assert (line["what"], line["implementation"]) == (NEAREST, "all")
    assert {line["what"] for line in analogies} == {ANALOGIES}
