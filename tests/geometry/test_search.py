"""search, top and nearest: values, ties, chunks, traces and refused arguments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import geometry, vectors
from jaxembed.geometry import _search

N = 7


@pytest.mark.parametrize("n_best", [1, 5, 16, 40, 2560])
@pytest.mark.parametrize("kinds", [2, 9, 10**6], ids=lambda kinds: f"{kinds} values")
def test_top_is_top_k(n_best, kinds):
    rng = np.random.default_rng(kinds)
    scores = rng.integers(0, kinds, (N, 2560)).astype(np.float32)  # ties everywhere
    scores[0, 3:] = -np.inf
    scores[1] = -np.inf
    scores[2] = np.arange(2560) % 64  # the best lie in different blocks
    scores[3] = np.arange(2560)  # the best lie in one block
    scores[4] = 0  # the best block is not the first, and both contain a 2
    scores[4, [1, 2, 320, 321]] = 3, 2, 4, 2
    values, places = jax.jit(_search.top, static_argnums=1)(scores, n_best)
    expected = jax.lax.top_k(scores, n_best)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(places, expected[1])
    assert places.dtype == jnp.int32


def test_cosines_equal_gensims(both):
    rng = np.random.default_rng(1)
    queries = rng.normal(size=(N, both[0].dim)).astype(np.float32) * 7
    table = geometry.unit_table(both[0])
    ours = _search.cosines(table.rows, jnp.asarray(queries))[:, : len(table)]
    theirs = [both[1].cosine_similarities(query, both[1].vectors) for query in queries]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_matrix_products_have_full_precision_on_a_gpu():
    rows, queries = jnp.ones((4, 3)), jnp.ones((2, 3))
    for score, arguments in [
        (_search.cosines, queries),
        (_search.cosine_products, (queries[None], queries[None])),
    ]:
        program = str(jax.make_jaxpr(score)(rows, arguments))
        n_products = program.count("dot_general[")
        assert program.count("(Precision.HIGHEST, Precision.HIGHEST)") == n_products > 0


def best_of_numpy(word_vectors, queries, exclude, topn):
    """Return the scores and rows of the nearest words, in float64."""
    matrix = word_vectors.matrix.astype(np.float64)
    scores = queries @ matrix.T / np.linalg.norm(matrix, axis=1)
    scores /= np.linalg.norm(queries, axis=1)[:, None]
    for row, excluded in zip(scores, exclude, strict=True):
        row[[place for place in excluded if place >= 0]] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :topn]
    return np.take_along_axis(scores, order, axis=1), order


@pytest.mark.parametrize("n_queries", [1, 3, 256, 257])
@pytest.mark.parametrize("topn", [1, 10, 10**6])
def test_nearest_equals_numpy(both, n_queries, topn):
    rng = np.random.default_rng(2)
    queries = rng.normal(size=(n_queries, both[0].dim))
    exclude = rng.integers(-1, 40, (n_queries, 4))
    cosines, rows = geometry.nearest(both[0], queries, topn, exclude)
    expected, order = best_of_numpy(both[0], queries, exclude, topn)
    if topn == 10**6:  # the excluded rows are last, in any order
        is_left = np.isfinite(expected)
        assert (np.isfinite(cosines) == is_left).all()
        assert (rows[~is_left] == -1).all()
        cosines, expected = cosines[is_left], expected[is_left]
    else:
        np.testing.assert_array_equal(rows, order)
    np.testing.assert_allclose(cosines, expected, atol=1e-6)
    assert (rows.dtype, cosines.dtype) == (np.int32, np.float32)


def small(matrix):
    matrix = np.asarray(matrix, np.float32)
    return vectors.WordVectors([f"w{row}" for row in range(len(matrix))], matrix)


def test_equal_cosines_are_in_the_order_of_rows():
    word_vectors = small([[0, 1], [2, 0], [1, 0], [3, 0]])
    _, rows = geometry.nearest(word_vectors, [[1.0, 0.0]], 3)
    assert rows.tolist() == [[1, 2, 3]]


def test_zero_vectors_are_last_with_a_cosine_of_0():
    word_vectors = small([[0, 0], [-1, 0], [1, 0], [0, 0]])
    cosines, rows = geometry.nearest(word_vectors, [[1.0, 0.0], [0.0, 0.0]], 4)
    assert rows.tolist() == [[2, 1, 0, 3], [1, 2, 0, 3]]
    assert cosines.tolist() == [[1, -1, 0, 0], [0, 0, 0, 0]]


def test_only_the_first_words_are_searched(both):
    table = geometry.unit_table(both[0])
    queries = np.eye(both[0].dim)
    for source in (both[0], table):
        _, rows = geometry.nearest(source, queries, 5, restrict_vocab=100)
        first = small(both[0].matrix[:100])
        np.testing.assert_array_equal(rows, geometry.nearest(first, queries, 5)[1])
        assert rows.max() < 100


def test_excluded_rows_beyond_restrict_vocab_change_nothing(both):
    queries = np.eye(both[0].dim)[:1]
    plain = geometry.nearest(both[0], queries, 3, restrict_vocab=100)
    more = geometry.nearest(both[0], queries, 3, [[101, 2_499]], restrict_vocab=100)
    np.testing.assert_array_equal(plain[1], more[1])


def test_zero_queries_give_empty_results(both):
    cosines, rows = geometry.nearest(both[0], np.zeros((0, both[0].dim)), 3)
    assert cosines.shape == rows.shape == (0, 3)


def counted(shapes):
    def score(rows, queries):
        shapes.append(queries.shape)
        return _search.cosines(rows, queries)

    return score


def test_any_number_of_queries_shares_a_program(both):
    shapes = []
    score, table = counted(shapes), geometry.unit_table(both[0])
    for n_queries in (600, 257, 1000, 256):
        queries = np.ones((n_queries, both[0].dim), np.float32)
        exclude = np.zeros((n_queries, 1), np.int32)
        _search.search(score, table.rows, queries, table, exclude, 3)
    assert shapes == [(_search.MAX_QUERIES, both[0].dim)]
    queries = np.ones((3, both[0].dim), np.float32)  # a smaller chunk
    _search.search(score, table.rows, queries, table, np.zeros((3, 1), np.int32), 3)
    assert shapes[1:] == [(4, both[0].dim)]


@pytest.mark.parametrize("max_scores", [1, 3 * 2560, 2560 * 64])
def test_memory_is_bounded_by_smaller_chunks(both, monkeypatch, max_scores):
    table = geometry.unit_table(both[0])
    queries = np.random.default_rng(3).normal(size=(8, both[0].dim))
    queries = queries.astype(np.float32)
    expected = geometry.nearest(table, queries, 3)
    monkeypatch.setattr(_search, "MAX_SCORES", max_scores)
    shapes = []
    exclude = np.zeros((8, 0), np.int32)
    arguments = (table.rows, queries, table, exclude, 3)
    scores, rows = _search.search(counted(shapes), *arguments)
    np.testing.assert_array_equal(rows, expected[1])
    np.testing.assert_allclose(scores, expected[0], rtol=1e-6)
    assert [shape[0] for shape in shapes] == [min(8, max(1, max_scores // 2560))]


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"queries": [1.0, 2.0]}, ValueError, r"D = 2, got \[2\]"),
        ({"queries": [[1.0, 2.0, 3.0]]}, ValueError, r"D = 2, got \[1, 3\]"),
        (
            {"queries": [[1, 2], [1, np.nan]]},
            ValueError,
            r"finite, got \[.*\] in row 1",
        ),
        ({"topn": 0}, ValueError, "topn must be at least 1, got 0"),
        ({"topn": 1.5}, TypeError, "topn must be an integer, got 1.5"),
        ({"exclude": [[3]]}, ValueError, "must be below 3, the number of .* got 3"),
        ({"exclude": [[0], [1]]}, ValueError, r"with N = 1, .* got \[2, 1\]"),
        ({"exclude": [0]}, ValueError, r"with N = 1, .* got \[1\]"),
        ({"exclude": [[0.5]]}, TypeError, "exclude must be integers, .* got float64"),
        ({"restrict_vocab": 0}, ValueError, "restrict_vocab must be at least 1"),
    ],
)
def test_other_arguments_are_refused(changed, error, message):
    arguments = {"queries": [[1.0, 2.0]], **changed}
    with pytest.raises(error, match=message):
        geometry.nearest(small([[1, 2], [3, 4], [5, 6]]), **arguments)
