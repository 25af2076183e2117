"""Sets and ranks of words: the results of gensim."""

import numpy as np
import pytest

from jaxembed import geometry, vectors
from tests.geometry.conftest import D, both_of

VECTOR = np.random.default_rng(5).normal(size=D).astype(np.float32)


@pytest.mark.parametrize("pre_normalize", [True, False])
@pytest.mark.parametrize("post_normalize", [True, False])
@pytest.mark.parametrize(
    ("words", "weights"),
    [
        (["w3"], None),
        (["w3", "w7", "w3"], None),
        (["w3", "none", "w9"], [0.5, 9.0, -2.0]),
        (["w3", VECTOR], np.array([1, 3], np.float32)),
        (["none"], None),
    ],
)
def test_the_mean_equals_gensim(both, words, weights, pre_normalize, post_normalize):
    settings = {"pre_normalize": pre_normalize, "post_normalize": post_normalize}
    ours = geometry.mean_vector(both[0], words, weights, **settings)
    theirs = both[1].get_mean_vector(words, weights, **settings)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_bad_arguments_of_the_mean(both):
    with pytest.raises(KeyError, match="'none' is not one of"):
        geometry.mean_vector(both[0], ["w3", "none"], ignore_missing=False)
    with pytest.raises(TypeError, match="words must be a list of words, got 'w3'"):
        geometry.mean_vector(both[0], "w3")
    with pytest.raises(ValueError, match="words is empty"):
        geometry.mean_vector(both[0], [])
    with pytest.raises(ValueError, match=r"each of the 1 words, got \[2\]"):
        geometry.mean_vector(both[0], ["w3"], [1, 2])
    with pytest.raises(ValueError, match=r"must have 12 numbers, got the shape \[3\]"):
        geometry.mean_vector(both[0], [VECTOR[:3]])


def test_similarity_of_sets_equals_gensim(both):
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = (
            [f"w{row}" for row in rng.integers(0, 2500, n)] for n in (3, 5)
        )
        theirs = both[1].n_similarity(first, second)
        ours = geometry.n_similarity(both[0], first, second)
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
    with pytest.warns(UserWarning, match=r"1 of 2 words in first .*: \['none'\]"):
        ours = geometry.n_similarity(both[0], ["w1", "none"], ["w2"])
    np.testing.assert_allclose(
        ours, both[1].n_similarity(["w1", "none"], ["w2"]), atol=1e-6
    )
    with pytest.raises(ValueError, match="second must have a word with a vector"):
        geometry.n_similarity(both[0], ["w1"], ["none"])
    with pytest.raises(ValueError, match="second is empty"):
        geometry.n_similarity(both[0], ["w1"], [])


def test_the_word_outside_is_that_of_gensim(both):
    rng = np.random.default_rng(1)
    for _ in range(50):
        words = [f"w{row}" for row in rng.integers(0, 2500, 4)]
        assert geometry.doesnt_match(both[0], words) == both[1].doesnt_match(words)
    with pytest.warns(UserWarning, match="1 of 4 words in words do not have a vector"):
        found = geometry.doesnt_match(both[0], ["w1", "none", "w2", "w3"])
    assert found == both[1].doesnt_match(["w1", "none", "w2", "w3"])
    with pytest.raises(ValueError, match="must have a word with a vector"):
        geometry.doesnt_match(both[0], ["none"])


def test_ranks_and_distances_equal_gensim(both):
    rng = np.random.default_rng(2)
    table = geometry.unit_table(both[0])
    for a, b in rng.integers(0, 2500, (30, 2)):
        pair = f"w{a}", f"w{b}"
        closer = geometry.closer_than(table, *pair)
        assert closer == both[1].closer_than(*pair)
        assert geometry.rank(table, *pair) == both[1].rank(*pair) == len(closer) + 1
        ours, theirs = geometry.distance(both[0], *pair), both[1].distance(*pair)
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
    assert geometry.rank(both[0], "w3", "w3") == 1
    nearest = geometry.most_similar(both[0], "w3", topn=3)
    assert geometry.closer_than(both[0], "w3", nearest[2][0]) == sorted(
        [word for word, _ in nearest[:2]], key=both[0].index.get
    )
    for pair in (("w3", "none"), ("none", "w3")):
        with pytest.raises(KeyError, match="'none' is not one of"):
            geometry.rank(both[0], *pair)


def test_a_zero_vector_is_never_closer():
    matrix = [[1, 0], [0, 0], [-1, 0.1], [1, 1]]
    ours, _ = both_of(["a", "zero", "far", "near"], matrix)
    assert geometry.closer_than(ours, "a", "far") == ["near"]
    assert geometry.closer_than(ours, "a", "zero") == ["far", "near"]


def test_several_words_at_once(both):
    words = ["w7", "w3", "w7"]
    np.testing.assert_array_equal(both[0][words], both[1][words])
    np.testing.assert_array_equal(both[0][tuple(words)], both[1][words])
    assert both[0][[]].shape == (0, D)
    with pytest.raises(KeyError, match="'none' is not one of"):
        both[0][["w3", "none"]]


def test_vectors_of_some_words_equal_gensim(both):
    words = ["w9", "none", "w3", "w9"]
    ours, theirs = both[0].vectors_for_all(words), both[1].vectors_for_all(words)
    assert list(ours.words) == theirs.index_to_key
    np.testing.assert_array_equal(ours.matrix, theirs.vectors)
    with pytest.raises(ValueError, match=r"no word of the 1 given .*\['none'\]"):
        both[0].vectors_for_all(["none"])
    with pytest.raises(TypeError, match="list of words, got 'w3'"):
        both[0].vectors_for_all("w3")


def test_vectors_of_subwords_are_inferred(write):
    from gensim.models.fasttext import load_facebook_vectors

    from tests.vectors.conftest import fasttext_bin

    path = write(fasttext_bin(), "model.bin")
    ours, theirs = vectors.load(path), load_facebook_vectors(str(path))
    words = [ours.words[0], "unheardof"]
    found, expected = ours.vectors_for_all(words), theirs.vectors_for_all(words)
    assert list(found.words) == expected.index_to_key == words
    np.testing.assert_allclose(found.matrix, expected.vectors, rtol=1e-6, atol=1e-7)
    known = ours.vectors_for_all(words, allow_inference=False)
    assert list(known.words) == words[:1]
