"""The loops of LSTM and GRU, against a loop of words in NumPy and JAX's derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed.nn.sequence import _cells

L, B, D, H = 6, 3, 4, 5
rng = np.random.default_rng(0)
ROWS = rng.normal(size=(L, B, D))
MASK = np.array([[1, 1, 0, 1, 1, 0], [0, 0, 1, 1, 1, 1], [0] * 6], bool).T
N_GATES = {"lstm": 4, "gru": 3}
RUN = {"lstm": _cells.lstm, "gru": _cells.gru}
each_cell = pytest.mark.parametrize("cell", ["lstm", "gru"])


@pytest.fixture(autouse=True)
def compute_in_float64():
    with jax.enable_x64(True):
        yield


def draw_weights(cell):
    width = N_GATES[cell] * H
    shapes = {"kernel": (D, width), "recurrent_kernel": (H, width)}
    shapes["bias"] = (width,) if cell == "lstm" else (2, width)
    draw = np.random.default_rng(1)
    return {name: draw.normal(size=shape) for name, shape in shapes.items()}


def step_lstm(row, state, weights):
    sigmoid = jax.nn.sigmoid
    outputs, cell = state
    sums = row @ weights["kernel"] + outputs @ weights["recurrent_kernel"]
    i, f, new, o = jnp.split(sums + weights["bias"], 4)
    cell = sigmoid(f) * cell + sigmoid(i) * jnp.tanh(new)
    return sigmoid(o) * jnp.tanh(cell), cell


def step_gru(row, state, weights):
    sigmoid = jax.nn.sigmoid
    for_words, for_state = weights["bias"]
    xz, xr, xn = jnp.split(row @ weights["kernel"] + for_words, 3)
    hz, hr, hn = jnp.split(state[0] @ weights["recurrent_kernel"] + for_state, 3)
    update = sigmoid(xz + hz)
    new = jnp.tanh(xn + sigmoid(xr + hr) * hn)
    return update * state[0] + (1 - update) * new, state[1]


def run_word_by_word(cell, rows, weights):
    """Return outputs by a loop of Python that passes over padding."""
    step = step_lstm if cell == "lstm" else step_gru
    texts = []
    for text in range(B):
        state, outputs = (jnp.zeros(H), jnp.zeros(H)), []
        for word in range(L):
            if MASK[word, text]:
                state = step(rows[word, text], state, weights)
            outputs.append(state[0])
        texts.append(jnp.stack(outputs))
    return jnp.stack(texts, 1)


@each_cell
def test_padding_leaves_the_state_as_it_is(cell):
    weights = draw_weights(cell)
    found = RUN[cell](jnp.asarray(ROWS), jnp.asarray(MASK), weights)
    expected = run_word_by_word(cell, ROWS, weights)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert not np.asarray(found)[:, 2].any()


@each_cell
def test_gradients_are_those_of_the_loop_of_words(cell):
    factors = rng.normal(size=(L, B, H))

    def loss(rows, weights):
        return (RUN[cell](rows, jnp.asarray(MASK), weights) * factors).sum()

    def expected_loss(rows, weights):
        return (run_word_by_word(cell, rows, weights) * factors).sum()

    arguments = jnp.asarray(ROWS), jax.tree.map(jnp.asarray, draw_weights(cell))
    found = jax.jit(jax.grad(loss, (0, 1)))(*arguments)
    expected = jax.jit(jax.grad(expected_loss, (0, 1)))(*arguments)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-11),
        found,
        expected,
    )


@each_cell
def test_forward_mode_and_second_order_are_those_of_the_loop_of_words(cell):
    weights = jax.tree.map(jnp.asarray, draw_weights(cell))
    rows, change = jnp.asarray(ROWS), jnp.asarray(rng.normal(size=(L, B, D)))

    def derive(run):
        def slope(rows):
            return jax.jvp(run, (rows,), (change,))[1]

        return slope(rows), jax.jvp(slope, (rows,), (change,))[1]

    found = jax.jit(
        lambda: derive(lambda rows: RUN[cell](rows, jnp.asarray(MASK), weights))
    )()
    expected = jax.jit(
        lambda: derive(lambda rows: run_word_by_word(cell, rows, weights))
    )()
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)


@each_cell
def test_the_backward_loop_has_no_kernel_gradient_in_its_state(cell):
    """No loop carries an array of the recurrent kernel's shape."""
    weights = jax.tree.map(jnp.asarray, draw_weights(cell))

    def loss(weights):
        return RUN[cell](jnp.asarray(ROWS), jnp.asarray(MASK), weights).sum()

    jaxpr = jax.make_jaxpr(jax.grad(loss))(weights)
    scans = [e for e in jaxpr.eqns if e.primitive.name == "scan"]
    assert len(scans) == 2
    for scan in scans:
        n_constants, n_carry = scan.params["num_consts"], scan.params["num_carry"]
        carried = scan.invars[n_constants : n_constants + n_carry]
        assert all(v.aval.shape == (B, H) for v in carried)
