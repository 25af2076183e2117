"""PPMI: compared with explicit loops and a dense SVD."""

import collections
import sys

import numpy as np
import pytest

from jaxembed import text, vectors

TEXTS = ["a b c d a", "b b", "e a c", "", "d e b a c e d"]


def by_hand(window, smoothing, dim):
    counts = collections.Counter()
    for line in TEXTS:
        words = line.split()
        for i, left in enumerate(words):
            for j, right in enumerate(words):
                if i != j and abs(i - j) <= window:
                    counts[left, right] += 1
    words = list(text.Tokenizer().fit(TEXTS).word_index)
    table = np.array([[counts[a, b] for b in words] for a in words], float)
    context = table.sum(0) ** smoothing
    expected = np.outer(table.sum(1), context / context.sum())
    with np.errstate(divide="ignore"):
        positive = np.maximum(np.log(table / expected), 0)
    left, scales, _ = np.linalg.svd(positive)
    return words, (left * np.sqrt(scales))[:, :dim]


@pytest.mark.parametrize("pieces", [1 << 20, 3])
@pytest.mark.parametrize(("window", "smoothing"), [(1, 1.0), (2, 0.75), (9, 0.75)])
def test_it_equals_a_count_by_hand(monkeypatch, window, smoothing, pieces):
    # The public function vectors.ppmi hides the module of its name.
    monkeypatch.setattr(sys.modules["jaxembed.vectors._ppmi"], "TOKENS_AT_ONCE", pieces)
    tokenizer = text.Tokenizer().fit(TEXTS)
    made = vectors.ppmi(TEXTS, tokenizer, 3, window=window, smoothing=smoothing)
    words, expected = by_hand(window, smoothing, 3)
    assert list(made.words) == words
    assert np.mean(made.matrix**2) == pytest.approx(0.16, rel=1e-4)
    # Products of pairs do not depend on the signs of the dimensions.
    ours, theirs = made.matrix @ made.matrix.T, expected @ expected.T
    np.testing.assert_allclose(ours, theirs * 0.16 / np.mean(expected**2), atol=1e-4)


def test_texts_and_their_ids_give_the_same():
    tokenizer = text.Tokenizer(num_words=5).fit(TEXTS)
    by_texts = vectors.ppmi(TEXTS, tokenizer, 2)
    by_ids = vectors.ppmi(tokenizer.encode(TEXTS), tokenizer, 2)
    assert by_texts.words == by_ids.words and len(by_texts) == 4
    np.testing.assert_array_equal(by_texts.matrix, by_ids.matrix)


@pytest.mark.parametrize("n_dense", [0, 500])
@pytest.mark.parametrize(
    "texts",
    [
        ["a b", "c d", "e f"],
        ["a b c", "d e f"] * 20,
        ["good film", "bad film", "good plot", "bad plot"] * 30,
        TEXTS,
    ],
)
def test_the_same_texts_give_the_same_vectors(monkeypatch, texts, n_dense):
    monkeypatch.setattr(sys.modules["jaxembed.vectors._ppmi"], "MAX_DENSE", n_dense)
    tokenizer = text.Tokenizer().fit(texts)
    matrices = [vectors.ppmi(texts, tokenizer, 2).matrix for _ in range(3)]
    np.testing.assert_allclose(matrices[0], matrices[1], atol=1e-6)
    np.testing.assert_allclose(matrices[0], matrices[2], atol=1e-6)


def test_dimensions_past_the_rank_are_zeros():
    texts = ["a b", "c d", "e f"] * 3
    made = vectors.ppmi(["a b"] * 3 + ["c d"], text.Tokenizer().fit(texts), 3)
    assert len(made) == 4
    made = vectors.ppmi(["x y", "y x"] * 3 + ["z"], text.Tokenizer().fit(["x y"]), 1)
    assert np.isfinite(made.matrix).all()


def test_padding_is_no_word():
    ids = text.Ragged.from_lists([[0, 0, 1, 2], [0, 3, 4, 5], [0, 1, 3]])
    made = vectors.ppmi(ids, text.Tokenizer().fit(TEXTS), 2)
    assert len(made) == 5


def test_words_that_do_not_occur_have_no_vector():
    tokenizer = text.Tokenizer().fit([*TEXTS, "rare", "rare"])
    assert "rare" not in vectors.ppmi(TEXTS, tokenizer, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"dim": 5},
            "dim must be below .* got dim=5 and 5 words in 5 texts: give more",
        ),
        ({"window": 0}, "window and dim must be at least 1, got window=0"),
        ({"dim": 0}, "got window=5 and dim=0"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        vectors.ppmi(TEXTS, text.Tokenizer().fit(TEXTS), **arguments)


def test_a_tokenizer_that_knows_nothing_is_refused():
    with pytest.raises(
        ValueError, match="must be fitted, got one without words: call fit"
    ):
        vectors.ppmi(text.Ragged.from_lists([[1, 2]]), text.Tokenizer(), 2)


def test_ids_of_another_tokenizer_are_refused():
    ids = text.Ragged.from_lists([[1, 2, 99]])
    with pytest.raises(ValueError, match="ids must be from 0 to 5, .* got 1 to 99"):
        vectors.ppmi(ids, text.Tokenizer().fit(TEXTS), 2)
