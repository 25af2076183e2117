"""Benchmark of loading vectors: checked bit by bit, with and without gensim."""

import gzip
import sys

import numpy as np
import pytest

from benchmarks import load_vectors
from benchmarks.harness import machine, workloads
from jaxembed import vectors

V, D = 300, 5
SMALL = ["--workload", f"{V}x{D}x1", "--batch-sizes", "7", "900", "--seconds", "0"]
# gensim closes a file without a header late
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
OF_ALL, OF_SOME = "load vectors", "load vectors of a vocabulary"


def run(read_lines, *arguments):
    load_vectors.main([*arguments])
    return read_lines()


def test_each_way_has_a_line(read_lines):
    lines = run(read_lines, *SMALL)
    found = [
        (line["what"], line["batch_size"], line["implementation"]) for line in lines
    ]
    assert found == [
        (OF_ALL, V, "jaxembed"),
        (OF_ALL, V, "jaxembed, cached"),
        (OF_ALL, V, "gensim"),
        (OF_SOME, 7, "jaxembed"),
        (OF_SOME, 7, "gensim"),
        (OF_SOME, V, "jaxembed"),  # 900 words are limited to the 300 of the file
        (OF_SOME, V, "gensim"),
    ]
    assert all(line["workload"] == f"{V}x{D}x1" and line["a_a"] > 0 for line in lines)
    assert lines[2]["median_s"] == lines[4]["median_s"]


def test_a_given_file_without_gensim(tmp_path, monkeypatch, read_lines):
    monkeypatch.setitem(sys.modules, "gensim", None)
    path = tmp_path / "given.txt.gz"
    path.write_bytes(gzip.compress(b"a 1 2\n. . 3 4\na 5 6\n"))
    missing, *lines = run(read_lines, "--vectors", str(path), "--seconds", "0")
    assert missing["implementation"] == "gensim" and "is missing" in missing["left_out"]
    names = [(line["implementation"], line["batch_size"]) for line in lines]
    assert names == [("jaxembed", 2), ("jaxembed, cached", 2), ("jaxembed", 2)]
    assert {line["workload"] for line in lines} == {"given.txt.gz"}


def test_a_made_file_has_different_words_and_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(load_vectors, "N_DIFFERENT", 4)
    path = load_vectors.write(tmp_path, workloads.parse_workload("6x3x1"))
    words, rows = load_vectors.read_plainly(path)
    assert words == [f"word{row}" for row in range(6)] == list(rows)
    assert len(np.unique(np.stack(list(rows.values())), axis=0)) == 4
    np.testing.assert_array_equal(rows["word0"], rows["word4"])


@pytest.mark.parametrize("peers", [["--peers"], ["--peers", "gensim"]], ids=len)
@pytest.mark.parametrize("wrong", ["row", "word"])
def test_a_wrong_answer_is_refused(monkeypatch, capsys, wrong, peers):
    load = vectors.load

    def wrongly(path, vocabulary=None, **options):
        found = load(path, vocabulary=vocabulary, **options)
        if vocabulary is None:
            return found
        if wrong == "word":  # one word is missing
            return vectors.WordVectors(found.words[1:], found.matrix[1:])
        matrix = np.nextafter(found.matrix, 9)  # differs in one bit
        return vectors.WordVectors(found.words, matrix)

    monkeypatch.setattr(load_vectors.vectors, "load", wrongly)
    with pytest.raises(
        SystemExit, match="jaxembed with a vocabulary of 7 words is wrong"
    ):
        load_vectors.main([*SMALL, *peers])
    assert capsys.readouterr().out == ""


def test_what_has_no_room_is_left_out(monkeypatch, read_lines):
    monkeypatch.setattr(machine, "find_free", lambda: 0)
    (line,) = run(read_lines, *SMALL)
    assert (line["what"], line["implementation"]) == (OF_ALL, "all")
    assert "GiB of free memory may be used" in line["left_out"]
