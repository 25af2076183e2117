"""most_similar, most_similar_cosmul, similarity: the results of gensim."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from gensim.models.fasttext import load_facebook_vectors

from jaxembed import geometry, vectors
from jaxembed.geometry import _search
from tests.geometry.conftest import D, both_of
from tests.vectors.conftest import fasttext_bin

VECTOR = np.random.default_rng(5).normal(size=D).astype(np.float32)
UNIT = VECTOR / np.linalg.norm(VECTOR)


def assert_equal(ours, theirs, atol=2e-6):
    assert [word for word, _ in ours] == [word for word, _ in theirs]
    np.testing.assert_allclose(
        [value for _, value in ours], [value for _, value in theirs], rtol=0, atol=atol
    )
    assert all(type(value) is float for _, value in ours)


def gensims_cosmul(theirs, *arguments):
    with warnings.catch_warnings():  # gensim calls its own deprecated function
        warnings.simplefilter("ignore", DeprecationWarning)
        return theirs.most_similar_cosmul(*arguments)


@pytest.mark.parametrize(
    ("positive", "negative"),
    [
        ("w3", []),
        (["w3"], []),
        (["w3", "w7"], ["w9"]),
        (["w3", "w3"], ["w9", "w10", "w11"]),
        ([], ["w3"]),
        ([("w3", 0.3), "w7"], [("w9", -2.0), ("w4", 0.5)]),
        (VECTOR, []),
        ([VECTOR, "w3"], []),
        ([(VECTOR, 0.2), "w3"], ["w8", UNIT]),
        (np.stack([VECTOR, UNIT]), []),
        (["w2499", "w64", "w63"], "w0"),
    ],
)
@pytest.mark.parametrize("changed", [{}, {"topn": 1}, {"restrict_vocab": 90}], ids=str)
def test_most_similar_equals_gensim(both, positive, negative, changed):
    ours = geometry.most_similar(both[0], positive, negative, **changed)
    assert_equal(ours, both[1].most_similar(positive, negative, **changed))
    table = geometry.unit_table(both[0])
    of_table = geometry.most_similar(table, positive, negative, **changed)
    assert_equal(of_table, ours, atol=2e-7)


@pytest.mark.parametrize(
    ("positive", "negative"),
    [
        ("w3", []),
        ("w3", "w5"),
        (["w3", "w7"], ["w9"]),
        (["w3", "w3", "w6"], ["w9", "w10"]),
        ([UNIT, "w3"], [-UNIT]),
        ([VECTOR / 9], ["w4"]),
    ],
)
@pytest.mark.parametrize("topn", [1, 10])
def test_cosmul_equals_gensim(both, positive, negative, topn):
    ours = geometry.most_similar_cosmul(both[0], positive, negative, topn)
    theirs = gensims_cosmul(both[1], positive, negative, topn)
    scale = max(1, theirs[0][1])
    assert_equal(ours, theirs, atol=4e-6 * scale)


def test_cosmul_respects_restrict_vocab(both):
    ours = geometry.most_similar_cosmul(both[0], ["w3"], ["w5"], restrict_vocab=90)
    _, theirs = both_of(both[0].words[:90], both[0].matrix[:90])
    assert_equal(ours, gensims_cosmul(theirs, ["w3"], ["w5"]))


def test_a_jax_array_and_none_are_accepted(both):
    expected = geometry.most_similar(both[0], VECTOR)
    assert geometry.most_similar(both[0], jnp.asarray(VECTOR), None) == expected
    ours = geometry.most_similar(both[0], [(jnp.asarray(VECTOR), 1)])
    assert ours == expected


def test_a_query_may_be_a_word_beyond_restrict_vocab(both):
    ours = geometry.most_similar(both[0], "w2000", restrict_vocab=50, topn=100)
    assert len(ours) == 50
    assert_equal(ours, both[1].most_similar("w2000", restrict_vocab=50, topn=100))


@pytest.mark.parametrize("topn", [2_499, 2_500, 10**5])
def test_all_words_except_the_query_are_returned(both, topn):
    words = [word for word, _ in geometry.most_similar(both[0], "w3", topn=topn)]
    assert len(words) == len(set(words)) == 2_499
    assert "w3" not in words


def test_words_made_of_subwords_alone(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(fasttext_bin([f"word{i}" for i in range(9)], dim=5, buckets=50))
    ours, theirs = vectors.load(path), load_facebook_vectors(str(path))
    assert "wording" not in ours.index
    for positive, negative in [("wording", []), (["wording", "word1"], ["words"])]:
        found = geometry.most_similar(ours, positive, negative)
        assert_equal(found, theirs.most_similar(positive, negative))
        found = geometry.most_similar_cosmul(ours, positive, negative)
        expected = gensims_cosmul(theirs, positive, negative)
        assert_equal(found, expected, atol=1e-5)
    expected = theirs.similarity("wording", "word1")
    assert abs(geometry.similarity(ours, "wording", "word1") - expected) < 1e-6


ZEROS = [[0, 0], [1, 0], [1, 1], [-1, 0], [0, 0]]


def test_words_with_a_zero_vector_are_last():
    ours, theirs = both_of("abcde", ZEROS)
    found = geometry.most_similar(ours, "b")
    expected = [("c", np.sqrt(0.5)), ("d", -1), ("a", 0), ("e", 0)]
    assert_equal(found, expected)
    with np.errstate(invalid="ignore"):  # gensim's are NaN
        order = [word for word, _ in theirs.most_similar("b")]
    assert order == ["c", "d", "a", "e"]
    found = geometry.most_similar_cosmul(ours, "b", "c")
    assert [word for word, _ in found[1:]] == ["a", "e"]
    assert [score for _, score in found[1:]] == [0, 0]


def test_a_zero_query_has_cosines_of_0():
    ours, _ = both_of("abcde", ZEROS)
    assert geometry.most_similar(ours, "a", topn=2) == [("b", 0), ("c", 0)]
    assert geometry.most_similar(ours, "b", "b", topn=1) == [("c", 0)]
    assert geometry.similarity(ours, "a", "b") == 0


def test_similar_queries_share_a_program(both):
    geometry.most_similar(both[0], ["w1", "w2"], ["w3"], topn=65)
    n_programs = _search._best._cache_size()
    for topn in (65, 99, 128):  # up to 128 results and 4 excluded words share it
        geometry.most_similar(both[0], ["w4", "w5"], ["w6"], topn)
        geometry.most_similar(both[0], VECTOR, ["w6", "w7", "w8", "w9"], topn)
    assert _search._best._cache_size() == n_programs
    geometry.most_similar(both[0], "w4", topn=129)  # the test can fail
    assert _search._best._cache_size() == n_programs + 1


def test_similarity_is_gensims(both):
    for a, b in [("w1", "w2"), ("w5", "w5"), ("w2499", "w0")]:
        ours = geometry.similarity(both[0], a, b)
        assert type(ours) is float
        assert abs(ours - both[1].similarity(a, b)) < 1e-6


@pytest.mark.parametrize(
    ("terms", "error", "message"),
    [
        ((["w1", "nowhere"],), KeyError, "'nowhere' is not one of the 2500 words"),
        ((["w1"], "nowhere"), KeyError, "'nowhere'"),
        (([],), ValueError, "empty: give at least one word or vector"),
        ((["w1", 3],), TypeError, r"positive\[1\] must be a word, .* got 3"),
        (("w1", [None]), TypeError, r"negative\[0\] must be a word, .* got None"),
        (([np.ones(5)],), ValueError, r"positive\[0\] .* of 12 finite .* got \[5\]"),
        ((np.ones((2, 3)),), ValueError, r"positive\[0\] .* got \[3\]"),
        (([VECTOR * np.nan],), ValueError, r"positive\[0\] .* finite .* nan"),
    ],
)
@pytest.mark.parametrize("cosmul", [False, True])
def test_other_terms_are_refused(both, cosmul, terms, error, message):
    ask = geometry.most_similar_cosmul if cosmul else geometry.most_similar
    with pytest.raises(error, match=message):
        ask(both[0], *terms)


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        ("heavy", TypeError, r"weight of positive\[0\] must be a number, got 'heavy'"),
        (np.inf, ValueError, r"weight of positive\[0\] must be finite, got inf"),
    ],
)
def test_other_weights_are_refused(both, weight, error, message):
    with pytest.raises(error, match=message):
        geometry.most_similar(both[0], [("w1", weight)])


def test_cosmul_refuses_weights_and_needs_a_positive_term(both):
    with pytest.raises(TypeError, match=r"negative\[0\] has the weight 2: 3CosMul"):
        geometry.most_similar_cosmul(both[0], "w1", [("w2", 2)])
    with pytest.raises(ValueError, match="positive is empty"):
        geometry.most_similar_cosmul(both[0], [], ["w2"])


@pytest.mark.parametrize("ask", [geometry.most_similar, geometry.most_similar_cosmul])
def test_other_counts_are_refused(both, ask):
    with pytest.raises(ValueError, match="topn must be at least 1, got 0"):
        ask(both[0], "w1", topn=0)
    with pytest.raises(TypeError, match="topn must be an integer, got None"):
        ask(both[0], "w1", topn=None)
    with pytest.raises(ValueError, match="restrict_vocab must be at least 1"):
        ask(both[0], "w1", restrict_vocab=0)


def test_similarity_of_an_unknown_word_is_refused(both):
    with pytest.raises(KeyError, match="'nowhere'"):
        geometry.similarity(both[0], "w1", "nowhere")
