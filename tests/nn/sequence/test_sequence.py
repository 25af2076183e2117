"""Sequence layers: padding, dropout, gradients, and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn

V, D, B, L = 23, 4, 3, 6
rng = np.random.default_rng(0)
ROWS = rng.normal(size=(B, L, D)).astype(np.float32)
IDS = rng.integers(1, V, (B, L)).astype(np.int32)
LAYERS = {
    "conv": nn.Conv1D(features=5, widths=(1, 2, 5)),
    "attention": nn.Attention(query_init=jax.nn.initializers.normal(1.0)),
    "lstm-last": nn.Recurrent(3),
    "gru-both-max": nn.Recurrent(3, "gru", bidirectional=True, pool="max"),
}
# Compiled, since a loop that is not compiled as a whole takes seconds.
apply = jax.jit(lambda layer, *arguments: layer.apply(*arguments), static_argnums=0)
each_layer = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
# For tests in which the convolution takes many seconds to compile.
each_quick_layer = pytest.mark.parametrize(
    "layer",
    [
        pytest.param(layer, marks=pytest.mark.long if name == "conv" else [], id=name)
        for name, layer in LAYERS.items()
    ],
)


def init(layer):
    """Return variables with biases that are not 0, where padding could show."""
    variables = jax.jit(layer.init)(jax.random.key(1), ROWS)
    leaves, tree = jax.tree.flatten(variables)
    draw = np.random.default_rng(2)
    return jax.tree.unflatten(
        tree,
        [leaf + draw.normal(size=leaf.shape).astype(np.float32) for leaf in leaves],
    )


def add_padding(front, behind, between):
    """Return ROWS with padding of NaN around them and after the second word."""
    parts = [
        np.full((B, front, D), np.nan),
        ROWS[:, :2],
        np.full((B, between, D), np.nan),
        ROWS[:, 2:],
        np.full((B, behind, D), np.nan),
    ]
    rows = np.concatenate(parts, 1).astype(np.float32)
    return rows, ~np.isnan(rows[..., 0])


@each_layer
@pytest.mark.parametrize(("front", "behind"), [(0, 4), (3, 2)])
def test_padding_at_the_ends_changes_nothing(layer, front, behind):
    variables = init(layer)
    expected = apply(layer, variables, ROWS)
    assert np.ptp(expected) > 0.1
    found = apply(layer, variables, *add_padding(front, behind, 0))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "conv"])
def test_padding_between_words_changes_nothing(name):
    layer = LAYERS[name]
    variables = init(layer)
    found = apply(layer, variables, *add_padding(0, 0, 3))
    np.testing.assert_allclose(
        found, apply(layer, variables, ROWS), rtol=1e-5, atol=1e-6
    )


@each_layer
def test_a_text_without_words_gives_zeros_and_finite_gradients(layer):
    variables, mask = init(layer), np.zeros((B, L), bool)
    mask[1, :2] = True
    found = np.asarray(apply(layer, variables, ROWS, mask))
    assert not found[0].any()
    assert not found[2].any()
    assert found[1].any()

    def loss(variables, rows):
        return (apply(layer, variables, rows, mask) ** 2).sum()

    grads, row_grads = jax.grad(loss, argnums=(0, 1))(variables, jnp.asarray(ROWS))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))
    assert not np.asarray(row_grads)[~mask].any()
    assert np.asarray(row_grads)[1, :2].any()


@each_quick_layer
def test_gradients_are_the_differences_in_float64(layer):
    variables = init(layer)
    rows, mask = add_padding(0, 2, 0)
    rows = np.nan_to_num(rows)
    weights = np.random.default_rng(3).normal(size=apply(layer, variables, rows).shape)
    steps = jax.tree.map(
        lambda leaf: np.random.default_rng(leaf.size).normal(size=leaf.shape),
        (variables, rows),
    )
    arguments = jax.tree.map(jnp.asarray, (variables, rows))
    grads = jax.grad(
        lambda both: (apply(layer, *both, mask) * weights.astype(np.float32)).sum()
    )(arguments)
    with jax.enable_x64(True):
        start, change = jax.tree.map(
            lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), (arguments, steps)
        )

        def value(scale):
            moved = jax.tree.map(lambda a, b: a + scale * b, start, change)
            return float((apply(layer, *moved, mask) * weights).sum())

        expected = (value(1e-6) - value(-1e-6)) / 2e-6
    products = jax.tree.map(lambda a, b: float((a * b).sum()), grads, steps)
    np.testing.assert_allclose(
        sum(jax.tree.leaves(products)), expected, rtol=2e-4, atol=1e-5
    )


@each_quick_layer
def test_a_classifier_ignores_padding(layer):
    embed = nn.Embed(V, D, padding_idx=0)
    model = nn.TextClassifier(embed, nn.DenseHead(classes=2), pool=layer)
    variables = model.init(jax.random.key(0), IDS)
    assert "pool" in variables["params"]
    padded = np.pad(IDS, ((0, 0), (0, 5)))
    logits = apply(model, variables, IDS)
    np.testing.assert_allclose(
        apply(model, variables, padded), logits, rtol=1e-5, atol=1e-6
    )
    blank = apply(model, variables, np.zeros_like(IDS))
    bias = variables["params"]["head"]["logits"]["bias"]
    np.testing.assert_allclose(blank, np.tile(bias, (B, 1)))


def test_conv1d_is_a_sum_of_products_of_shifted_rows():
    kernel = rng.normal(size=(4, D, 7)).astype(np.float32)
    found = nn.conv1d(ROWS, kernel)
    around = np.pad(ROWS, ((0, 0), (1, 2), (0, 0)))
    expected = sum(around[:, i : i + L] @ kernel[i] for i in range(4))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("width", [pytest.param(1, marks=pytest.mark.long), 2, 5])
def test_conv1d_max_and_its_derivatives_are_those_of_the_maximum(width):
    """JAX's derivative of a maximum is that of the first one, unless two are equal."""
    rows, mask = add_padding(1, 2, 0)
    mask[1] = False
    draw = np.random.default_rng(5)
    arguments = np.nan_to_num(rows), draw.normal(size=(width, D, 7)).astype(np.float32)
    changes = tuple(
        draw.normal(size=part.shape).astype(np.float32) for part in arguments
    )

    def maximum(rows, kernel):
        windows = jnp.where(mask[..., None], nn.conv1d(rows, kernel, mask), -jnp.inf)
        return jnp.where(mask.any(1)[:, None], windows.max(1), 0)

    def fused(rows, kernel):
        return nn.conv1d_max(rows, kernel, mask)

    factors = draw.normal(size=(B, 7)).astype(np.float32)
    results = [
        (
            *jax.jvp(run, arguments, changes),
            *jax.grad(lambda *both, run=run: (run(*both) * factors).sum(), (0, 1))(
                *arguments
            ),
        )
        for run in (maximum, fused)
    ]
    for expected, found in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert not np.asarray(results[1][0])[1].any()


def test_conv1d_max_gives_the_gradient_of_equal_features_to_the_first():
    rows = np.array([[[1.0], [3.0], [3.0], [2.0]]], np.float32)
    kernel = np.ones((1, 1, 1), np.float32)
    grads = jax.grad(lambda rows: nn.conv1d_max(rows, kernel).sum())(rows)
    assert grads[0, :, 0].tolist() == [0, 1, 0, 0]


def test_conv1d_max_shows_nan_at_any_word():
    rows = np.ones((1, 9, 2), np.float32)
    rows[0, 7, 1] = np.nan
    kernel = np.ones((3, 2, 4), np.float32)
    assert np.isnan(nn.conv1d_max(rows, kernel)).all()


def test_attention_is_a_weighted_mean_also_of_large_scores():
    rows = ROWS.astype(np.float64)
    query = np.array([2.0, -1.0, 0.5, 1.0])
    scores = rows @ query
    powers = np.exp(scores - scores.max(1, keepdims=True))
    weights = powers / powers.sum(1, keepdims=True)
    expected = (weights[..., None] * rows).sum(1)
    found = nn.attention(ROWS, query.astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    large = nn.attention(1000 * ROWS, query.astype(np.float32))
    assert np.isfinite(large).all()


@pytest.mark.parametrize("pool", ["mean", None, nn.Attention()])
def test_word_dropout_reads_words_as_padding(pool):
    """With all words dropped, a text reads as padding; without training, nothing is."""
    embed = nn.Embed(V, D, padding_idx=0)
    model = nn.TextClassifier(embed, nn.DenseHead(), pool=pool, word_dropout=1.0)
    variables, rngs = model.init(jax.random.key(0), IDS), {"dropout": jax.random.key(1)}
    dropped = model.apply(variables, IDS, train=True, rngs=rngs)
    blank = apply(model, variables, np.zeros_like(IDS))
    np.testing.assert_allclose(dropped, blank, atol=1e-6)
    assert np.abs(apply(model, variables, IDS) - blank).max() > 1e-3


def test_word_dropout_drops_its_share_of_the_words():
    ids = np.ones((4, 5_000), np.int32)
    model = nn.TextClassifier(
        nn.Embed(2, 1, embedding_init=jax.nn.initializers.ones),
        nn.DenseHead(kernel_init=jax.nn.initializers.ones),
        pool="sum",
        word_dropout=0.3,
    )
    variables = model.init(jax.random.key(0), ids)
    rngs = {"dropout": jax.random.key(1)}
    kept = np.asarray(model.apply(variables, ids, train=True, rngs=rngs)) / 5_000
    assert np.abs(kept - 0.7).max() < 0.03
    assert len(set(kept.tolist())) > 1


@pytest.mark.long
def test_row_dropout_drops_elements_and_scales_the_rest():
    ids = np.ones((2, 5_000), np.int32)
    model = nn.TextClassifier(
        nn.Embed(2, 3, embedding_init=jax.nn.initializers.ones),
        nn.DenseHead(),
        pool=nn.Attention(),
        row_dropout=0.5,
    )
    variables = model.init(jax.random.key(0), ids)
    rngs, kernel = {"dropout": jax.random.key(1)}, np.ones((3, 1), np.float32)
    variables["params"]["head"]["logits"]["kernel"] = jnp.asarray(kernel)
    found = np.asarray(model.apply(variables, ids, train=True, rngs=rngs))
    np.testing.assert_allclose(found, 3.0, atol=0.15)  # mean of rows of 0 and 2
    assert (found != 3.0).all()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: nn.conv1d(ROWS, np.ones((2, 3, 1))), ValueError, "kernel must have"),
        (lambda: nn.conv1d(ROWS[0], np.ones((2, D, 1))), ValueError, "rows must have"),
        (lambda: nn.conv1d(IDS, np.ones((2, D, 1))), TypeError, "rows must be floats"),
        (lambda: nn.attention(ROWS, np.ones(3)), ValueError, "query must have"),
        (lambda: nn.attention(ROWS, np.ones(D), IDS), TypeError, "mask must be bools"),
        (
            lambda: nn.attention(ROWS, np.ones(D), IDS[:, 1:] > 0),
            ValueError,
            "mask must have the shape",
        ),
        (lambda: init(nn.Recurrent(3, cell="rnn")), ValueError, "cell must be one of"),
        (lambda: init(nn.Recurrent(3, pool="sum")), ValueError, "pool must be one of"),
        (lambda: init(nn.Recurrent(0)), ValueError, "features must be at least 1"),
        (lambda: init(nn.Conv1D(widths=())), ValueError, "at least one number"),
        (lambda: init(nn.Conv1D(widths=(0,))), ValueError, "widths must be at least"),
        (lambda: classify(pool="mean", row_dropout=0.5), ValueError, "row_dropout"),
        (lambda: classify(id_weights=nn.Embed(V, 2)), ValueError, "one column"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


def classify(**changes):
    model = nn.TextClassifier(nn.Embed(V, D), nn.DenseHead(), **changes)
    return model.init(jax.random.key(0), IDS)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_first_weights_are_keras_s(cell):
    params = nn.Recurrent(4, cell=cell).init(jax.random.key(0), ROWS)["params"]
    recurrent = np.asarray(params["forward_recurrent_kernel"])
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(4), atol=1e-5)
    bias = np.asarray(params["forward_bias"])
    expected = np.repeat([0, 1, 0, 0], 4) if cell == "lstm" else np.zeros((2, 12))
    np.testing.assert_array_equal(bias, expected)
    limit = (6 / (D + recurrent.shape[1])) ** 0.5
    assert np.abs(params["forward_kernel"]).max() <= limit


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_recurrent_takes_initializers(cell):
    init = jax.nn.initializers
    layer = nn.Recurrent(
        2,
        cell=cell,
        kernel_init=init.ones,
        recurrent_init=init.zeros,
        bias_init=init.constant(3.0),
    )
    params = layer.init(jax.random.key(0), ROWS)["params"]
    expected = {"kernel": 1, "recurrent_kernel": 0, "bias": 3}
    for name, value in expected.items():
        assert (np.asarray(params[f"forward_{name}"]) == value).all()


def test_recurrent_computes_in_its_dtype():
    layer = nn.Recurrent(4, dtype=jnp.bfloat16)
    variables = layer.init(jax.random.key(0), ROWS)
    assert variables["params"]["forward_kernel"].dtype == jnp.float32
    assert layer.apply(variables, ROWS).dtype == jnp.bfloat16


def test_a_number_in_place_of_widths_is_refused():
    with pytest.raises(TypeError, match=r"widths .* such as \(3,\), got 3"):
        nn.Conv1D(features=4, widths=3)
