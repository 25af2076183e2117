"""The benchmark of loading vectors, at its smallest."""

import json
import warnings

import numpy as np
import pytest

from benchmarks import load_vectors
from jaxembed import vectors


def test_each_way_has_a_line(capsys):
    with warnings.catch_warnings():
        # gensim leaves a file without a header open for a while
        warnings.simplefilter("ignore", ResourceWarning)
        load_vectors.main(["--words", "300", "--dim", "5", "--repeats", "2"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = [line["implementation"] for line in lines]
    expected = ["jaxembed", "jaxembed, cached", "jaxembed, vocabulary", "gensim"]
    assert names == expected
    assert lines[0]["ratio"] == 1 and all(line["repeats"] == 2 for line in lines)
    assert lines[3]["words"] == 300 and lines[3]["median_s"] > 0


def test_a_wrong_answer_is_refused_before_it_is_timed():
    ours = vectors.WordVectors(["a"], np.ones((1, 2), np.float32))

    class Theirs:
        def __getitem__(self, words):
            return np.full((len(words), 2), 1 + 1e-7, np.float32)

    with pytest.raises(SystemExit, match="x and gensim differ"):
        load_vectors.check("x", ours, Theirs())
