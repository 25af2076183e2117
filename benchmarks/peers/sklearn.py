"""scikit-learn: logistic regression on tf-idf of words and n-grams."""

import time
from typing import Any

import numpy as np

# Inverse strength of the L2 penalty by the largest order, chosen of 3, 10, 30 and 100
# on the contiguous held-out block of experiments.imdb_ngrams.
STRENGTHS = {1: 3.0}
STRENGTH = 10.0
SETTINGS = {"min_df": 3, "sublinear_tf": True}


def classify(
    texts: list[str], labels: np.ndarray, test_texts: list[str], n: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """Train on texts; return a label for each test text, and seconds.

    Args:
      texts: training texts, whose words are separated by blanks.
      labels: their labels.
      test_texts: other texts.
      n: largest number of words of an n-gram.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    strength = STRENGTHS.get(n, STRENGTH)
    start = time.perf_counter()
    vectorizer = TfidfVectorizer(analyzer=_make_analyzer(n), **SETTINGS)
    features = vectorizer.fit_transform(texts)
    counted = time.perf_counter()
    model = LogisticRegression(C=strength, max_iter=1_000).fit(features, labels)
    trained = time.perf_counter()
    found = model.predict(vectorizer.transform(test_texts))
    facts = {"load": counted - start, "run": trained - counted, "C": strength}
    return found, facts


def _make_analyzer(n: int) -> Any:
    """Return a function from a text to its n-grams of 1 to n words."""

    def analyze(words: str) -> list[str]:
        split = words.split()
        return [
            " ".join(split[i : i + size])
            for size in range(1, n + 1)
            for i in range(len(split) - size + 1)
        ]

    return analyze
