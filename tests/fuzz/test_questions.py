"""Files of word pairs and analogies under random damage."""

import numpy as np
import pytest

from jaxembed import geometry, vectors
from tests.fuzz._mutations import mutate

WORDS = ["king", "queen", "man", "woman", "paris", "france", "rome", "italy"]
PAIRS = b"king\tqueen\t8.5\nman\twoman\t7\nparis\tfrance\t5.25\nrome\titaly\t1e1\n"
ANALOGIES = (
    b": family\nman woman king queen\nking queen man woman\n"
    b": capital\nparis france rome italy\nrome italy paris france\n"
)


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    return vectors.WordVectors(WORDS, rng.normal(size=(8, 4)).astype(np.float32))


def test_damaged_word_pairs(made, rounds, tmp_path):
    path = tmp_path / "pairs.tsv"
    for rng in rounds(seed=50):
        path.write_bytes(mutate(PAIRS, rng))
        with rounds.refusals(ValueError):
            found = geometry.evaluate_word_pairs(made, path)
            assert found.n_pairs >= 2


def test_damaged_analogies(made, rounds, tmp_path):
    path = tmp_path / "questions.txt"
    for rng in rounds(seed=51):
        path.write_bytes(mutate(ANALOGIES, rng))
        with rounds.refusals(ValueError):
            assert 0 <= geometry.evaluate_analogies(made, path).n_skipped < 100
