"""Random and real word vectors, as ours and as gensim's."""

import os
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from jaxembed import vectors

V, D = 2_500, 12  # 39 blocks and a remainder: _search.top selects blocks


def both_of(words, matrix):
    """Return the same vectors as ours and as gensim's."""
    matrix = np.asarray(matrix, np.float32)
    theirs = KeyedVectors(matrix.shape[1])
    theirs.add_vectors(list(words), matrix)
    return vectors.WordVectors(words, matrix), theirs


def as_of_gensim(ours):
    """Return our answers in gensim's form, without its total."""
    return [
        {
            "section": name,
            "correct": list(section.correct),
            "incorrect": list(section.incorrect),
        }
        for name, section in ours.sections.items()
    ]


def assert_equal(ours, theirs):
    """Assert that analogies are answered as by gensim."""
    accuracy, sections = theirs
    assert as_of_gensim(ours) == sections[:-1]
    assert ours.accuracy == accuracy
    total = sections[-1]
    assert ours.n_questions == len(total["correct"]) + len(total["incorrect"])


@pytest.fixture(scope="session")
def both():
    """Return random vectors of different lengths."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(V, D)) * rng.uniform(0.1, 10, (V, 1))
    return both_of([f"w{row}" for row in range(V)], matrix)


@pytest.fixture(scope="session")
def real():
    """Return the GloVe vectors, for tests marked ``real_archive``."""
    folder = Path(os.environ["JAXEMBED_DATA"])
    ours = vectors.load(folder / "glove.6B.100d.imdb.txt.gz")
    return both_of(ours.words, ours.matrix)


@pytest.fixture(scope="session")
def evaluation():
    """Return the folder of questions, for tests marked ``real_archive``."""
    return Path(os.environ["JAXEMBED_DATA"], "evaluation")


@pytest.fixture
def write(tmp_path):
    """Return a function that writes text or bytes to a file and returns its path."""

    def write(content, name="questions.txt"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
