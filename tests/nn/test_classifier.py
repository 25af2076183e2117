"""DenseHead, Flatten, TextClassifier and the initializers."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn
from jaxembed.nn._heads import Flatten
from jaxembed.nn._initializers import glorot_uniform, keras_uniform

V, D, B, L, C = 11, 5, 2, 3, 4
IDS = jnp.array([[1, 2, 3], [3, 1, 6]])


@pytest.mark.parametrize(
    ("classes", "shape"), [(1, (B,)), (2, (B, 2)), (C, (B, C))], ids=str
)
@pytest.mark.parametrize("hidden", [(), (6,), (6, 7)], ids=str)
@pytest.mark.parametrize("train", [False, True])
def test_shapes_and_dtypes(classes, shape, hidden, train):
    head = nn.DenseHead(hidden, classes, dropout=0.5)
    model = nn.TextClassifier(nn.Embed(V, D), head)
    variables = model.init(jax.random.key(0), IDS)
    rngs = {"dropout": jax.random.key(1)}
    logits = jax.jit(model.apply, static_argnames="train")(
        variables, IDS, train=train, rngs=rngs
    )
    chex.assert_shape(logits, shape)
    chex.assert_type(logits, jnp.float32)
    names = [*(f"hidden_{i}" for i in range(len(hidden))), "logits"]
    assert sorted(variables["params"]["head"]) == names


def test_the_logits_are_those_of_numpy():
    model = nn.TextClassifier(nn.Embed(V, D), nn.DenseHead(hidden=(6,)))
    variables = model.init(jax.random.key(0), IDS)
    params = jax.tree.map(np.asarray, variables["params"])
    x = params["embed"]["embedding"][np.asarray(IDS)].reshape(B, L * D)
    layers = params["head"]
    x = np.maximum(x @ layers["hidden_0"]["kernel"] + layers["hidden_0"]["bias"], 0)
    x = x @ layers["logits"]["kernel"] + layers["logits"]["bias"]
    np.testing.assert_allclose(model.apply(variables, IDS), x[:, 0], atol=1e-6)


def test_dropout_is_active_in_training_only():
    model = nn.TextClassifier(nn.Embed(V, D), nn.DenseHead(dropout=0.5))
    variables = model.init(jax.random.key(0), IDS)
    first, second = (
        model.apply(variables, IDS, train=True, rngs={"dropout": jax.random.key(seed)})
        for seed in (1, 2)
    )
    assert np.any(first != second)
    without = nn.TextClassifier(nn.Embed(V, D), nn.DenseHead())
    expected = without.apply(variables, IDS)
    np.testing.assert_array_equal(model.apply(variables, IDS), expected)
    assert np.any(first != expected)


def test_initial_weights_of_a_dense_layer_are_those_of_keras():
    head, rows = nn.DenseHead(hidden=(50,)), jnp.zeros((1, 10, 10))
    params = head.init(jax.random.key(0), rows)["params"]["hidden_0"]
    limit = np.sqrt(6 / (100 + 50))  # Glorot and Bengio, 2010
    kernel = np.asarray(params["kernel"])
    assert 0.98 * limit < np.abs(kernel).max() <= limit
    np.testing.assert_array_equal(params["bias"], 0)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=str)
def test_initializers_have_the_shape_and_dtype_asked_for(dtype):
    for initializer in (keras_uniform, glorot_uniform):
        draw = lambda key, f=initializer: f(key, (B, C), dtype)  # noqa: E731
        draw = jax.jit(chex.assert_max_traces(draw, n=1))
        weights, _ = draw(jax.random.key(0)), draw(jax.random.key(1))
        chex.clear_trace_counter()
        chex.assert_shape(weights, (B, C))
        chex.assert_type(weights, dtype)


def test_flatten_puts_the_words_side_by_side():
    rows = jnp.arange(B * L * D).reshape(B, L, D)
    flatten = jax.jit(chex.assert_max_traces(lambda x: Flatten().apply({}, x), n=1))
    flat, _ = flatten(rows), flatten(rows + 1)
    chex.assert_type(flat, rows.dtype)
    chex.assert_shape(flat, (B, L * D))
    np.testing.assert_array_equal(flat[1, D:], np.arange(L * D + D, B * L * D))


def test_rows_of_other_axes_are_refused():
    for shape in ((B,), (B, 0, D), (B, 0), (B, L, D, 1)):
        with pytest.raises(
            ValueError, match=r"or \[B, D\], with L and D of at least 1, got"
        ):
            nn.DenseHead().init(jax.random.key(0), jnp.zeros(shape))


@pytest.mark.parametrize("classes", [1, C])
def test_equal_shapes_trace_once(classes):
    model = nn.TextClassifier(nn.Embed(V, D), nn.DenseHead(classes=classes))
    variables = model.init(jax.random.key(0), IDS)

    @jax.jit
    @chex.assert_max_traces(n=1)
    def logits_of(variables, ids):
        return model.apply(variables, ids)

    for seed in range(3):
        ids = jax.random.randint(jax.random.key(seed), (B, L), 0, V)
        logits_of(variables, ids)


def test_strict_dtypes_are_kept():
    model = nn.TextClassifier(nn.Embed(V, D), nn.DenseHead(hidden=(6,)))
    with jax.numpy_dtype_promotion("strict"):
        variables = model.init(jax.random.key(0), IDS)
        chex.assert_type(model.apply(variables, IDS), jnp.float32)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"pool": "avg"}, ValueError, r"pool must be one of \(.*'mean'.*got 'avg'"),
        ({"pool": nn.Conv1D}, TypeError, r"pool must be .* a class: write Conv1D\("),
        (
            {"word_dropout": 1.5},
            ValueError,
            "word_dropout must be from 0 to 1, got 1.5",
        ),
        ({"row_dropout": -0.1}, ValueError, "row_dropout must be .* 1, got -0.1"),
        ({"head": nn.DenseHead(dropout=1.5)}, ValueError, "^dropout must be from 0"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings, error, words):
    model = nn.TextClassifier(nn.Embed(V, D), nn.DenseHead()).clone(**settings)
    with pytest.raises(error, match=words):
        model.init(jax.random.key(0), IDS)
