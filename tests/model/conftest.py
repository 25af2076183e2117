"""Small texts of two and of three classes, and a model of each."""

import numpy as np
import pytest

from jaxembed import TextModel

WORDS = {
    "neg": ["bad", "dull", "bore", "weak"],
    "pos": ["good", "joy", "fun", "fine"],
    "so": ["fair", "plain", "usual", "so-so"],
}
FILLERS = ["the", "film", "a", "plot", "is", "one"]


def draw_texts(n, names=("neg", "pos"), seed=0, length=6):
    """Draw texts of one telling word and others, and their labels."""
    rng = np.random.default_rng(seed)
    labels = [names[i] for i in rng.integers(0, len(names), n)]
    texts = []
    for label in labels:
        words = [*rng.choice(FILLERS, length), rng.choice(WORDS[label])]
        texts.append(" ".join(rng.permutation(words)))
    return texts, labels


@pytest.fixture(scope="session")
def model():
    return TextModel.fit(*draw_texts(200), epochs=20)


@pytest.fixture(scope="session")
def of_three():
    return TextModel.fit(*draw_texts(200, ("neg", "pos", "so")), epochs=20)
