"""Expected weights: a linear model trained by NumPy in float64."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from benchmarks.harness.expected_tables import EPS

RATE = 1e-3
SGD_RATE = 0.1
DECAY = 0.9  # of RMSprop
RMSPROP_EPS = 1e-7
BETAS, ADAM_EPS = (0.9, 0.999), 1e-8
CLOSE = 2e-3  # relative to the largest change in a row
# Torch adds the gradients of equal ids to a weight one by one and rounds each sum: with
# 25,600 equal ids a weight is off by some hundredths of its change.
CLOSE_ONE_BY_ONE = 0.1
RARE = 1e-3  # share of numbers that may have larger errors under the rules in UNSTEADY
Update = Callable[[Any, Any, int], tuple[Any, Any]]


class Weights(NamedTuple):
    """Weights of a text classifier that flattens the rows of a text."""

    table: np.ndarray  # float[V, D], or some of its rows
    kernel: np.ndarray  # float[L * D, 1]
    bias: np.ndarray  # float[1]


def make_weights(n_rows: int, dim: int, length: int) -> Weights:
    """Make random initial weights."""
    rng = np.random.default_rng(0)
    table = rng.random((n_rows, dim), np.float32) * np.float32(0.1) - np.float32(0.05)
    kernel = rng.standard_normal((length * dim, 1), np.float32)
    return Weights(
        table, kernel / np.float32(np.sqrt(length * dim)), np.zeros(1, np.float32)
    )


def train(
    weights: Weights, ids: np.ndarray, labels: np.ndarray, rule: str, n_steps: int
) -> tuple[np.ndarray, Weights]:
    """Train in float64.

    Args:
      weights: Initial weights.
      ids: ``int32[n, B, L]``, batches, which repeat after the last.
      labels: ``int32[n, B]``.
      rule: Key of ``RULES``.
      n_steps: Number of steps.

    Returns:
      ``int[U]``, the distinct ids; and the weights, with the table rows of these ids.
    """
    batches = [number % len(ids) for number in range(n_steps)]
    rows = np.unique(ids[sorted(set(batches))])
    table = weights.table[rows].astype(np.float64)
    now = Weights(table, *(part.astype(np.float64) for part in weights[1:]))
    update_table, update_head = RULES[rule]
    states: list[Any] = [None, None, None]
    for step, batch in enumerate(batches):
        places = np.searchsorted(rows, ids[batch])
        grads, is_read = find_gradients(now, places, labels[batch])
        moved = []
        for part, (values, grad) in enumerate(zip(now, grads, strict=True)):
            update = update_head if part else update_table
            delta, new = update(grad, states[part], step)
            if part == 0 and rule.startswith("lazy"):  # only rows that were read change
                delta = np.where(is_read, delta, 0)
                pairs = zip(new, states[0] or (0, 0), strict=True)
                new = tuple(np.where(is_read, a, b) for a, b in pairs)
            states[part] = new
            moved.append(values - delta)
        now = Weights(*moved)
    return rows, now


def find_gradients(
    weights: Weights, ids: np.ndarray, labels: np.ndarray
) -> tuple[Weights, np.ndarray]:
    """Return the gradient of a batch's mean loss, and a mask of the rows read.

    The mask is ``bool[U, 1]``.
    """
    table, kernel, bias = weights
    (batch_size, length), dim = ids.shape, table.shape[1]
    by_place = kernel.reshape(length, dim)
    products = table @ by_place.T  # [U, L]: logit of each word at each place
    logits = products[ids, np.arange(length)].sum(1) + bias
    errors = (1 / (1 + np.exp(-logits)) - labels) / batch_size
    places = np.broadcast_to(np.arange(length), ids.shape)
    entries = np.repeat(errors, length), (ids.ravel(), places.ravel())
    sums = csr_array(entries, (len(table), length))  # [U, L]: equal entries are added
    grad_kernel = (sums.T @ table).reshape(kernel.shape)
    is_read = np.zeros((len(table), 1), bool)
    is_read[ids.ravel()] = True
    return Weights(sums @ by_place, grad_kernel, errors.sum(keepdims=True)), is_read


def are_right(found: Weights, expected: Weights, before: Weights, rule: str) -> bool:
    """Return whether the errors are small relative to the change of each row."""
    for part, (new, right, old) in enumerate(zip(found, expected, before, strict=True)):
        if new.shape != right.shape:
            return False
        axis = 1 if part == 0 else None  # table: each row has its own scale
        way = np.max(abs(right - old), axis=axis, keepdims=True, initial=0)
        rounding = 8 * EPS * np.max(abs(right), initial=0)
        close = CLOSE_ONE_BY_ONE if rule == "SGD, torch's" else CLOSE
        is_near = abs(new - right) <= close * way + rounding  # False for NaN
        rare = RARE if rule in UNSTEADY else 0
        if not np.isfinite(new).all() or np.mean(~is_near) > rare:
            return False
    return True


def _rmsprop(eps_inside: bool) -> Update:
    def update(grad: Any, state: Any, step: int) -> tuple[Any, Any]:
        nu = (1 - DECAY) * grad**2 + (0 if state is None else DECAY * state)
        eps = RMSPROP_EPS
        root = np.sqrt(nu + eps) if eps_inside else np.sqrt(nu) + eps
        return RATE * grad / root, nu

    return update


def _sgd(grad: Any, state: Any, step: int) -> tuple[Any, Any]:
    return SGD_RATE * grad, None


def _adam(eps_unbiased: bool) -> Update:
    def update(grad: Any, state: Any, step: int) -> tuple[Any, Any]:
        means = (0, 0) if state is None else state
        values = (grad, grad**2)
        new = tuple(
            beta * mean + (1 - beta) * value
            for beta, mean, value in zip(BETAS, means, values, strict=True)
        )
        mean_bias, square_bias = (1 - beta ** (step + 1) for beta in BETAS)
        root = np.sqrt(new[1] / square_bias)
        eps = ADAM_EPS if eps_unbiased else ADAM_EPS / np.sqrt(square_bias)
        return RATE * new[0] / mean_bias / (root + eps), new

    return update


def _nothing(grad: Any, state: Any, step: int) -> tuple[Any, Any]:
    return 0.0, None


# Update of the table and update of the head, by rule
RULES: dict[str, tuple[Update, Update]] = {
    "RMSprop": (_rmsprop(True), _rmsprop(True)),
    "torch's RMSprop": (_rmsprop(False), _rmsprop(False)),  # eps outside the root
    "SGD": (_sgd, _sgd),
    "SGD, torch's": (_sgd, _sgd),
    "lazy Adam": (_adam(True), _adam(True)),
    "lazy Adam, torch's": (_adam(False), _adam(True)),  # eps is bias-corrected too
    "frozen": (_nothing, _rmsprop(True)),
    "frozen, torch's": (_nothing, _rmsprop(False)),
}
# The sign of the smallest gradient decides a whole step, and rounding may flip it.
UNSTEADY = {"lazy Adam", "lazy Adam, torch's", "torch's RMSprop", "frozen, torch's"}
