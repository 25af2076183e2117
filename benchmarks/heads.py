"""Heads on sequences: training with each head of nn, against Keras on JAX.

Run:     python -m benchmarks.heads
         python -m benchmarks.heads --heads lstm --workload 30000x50x400
Prints:  JSON lines of seconds per step, for each head, workload and batch size.

Both train all parameters, the table too, with dense RMSprop from the same weights on
the same ids, and the same losses are checked first. "jaxembed, row-sparse" trains the
table row by row, as train.fit does with table_tx. jaxembed runs the steps in one
compiled scan, as in train.fit; Keras runs its fit without shuffling. A timed call runs
several steps, and its time is divided by the number of steps.
"""

import argparse
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import options
from benchmarks.harness.lines import Lines
from benchmarks.harness.plan import announce
from benchmarks.harness.turns import measure, require_right
from benchmarks.harness.workloads import Workload, make_ids
from benchmarks.peers import keras_heads
from benchmarks.peers.available import find_peers
from jaxembed import nn, optim, train

WHAT = "heads"
FEATURES = 64
N_STEPS = 8  # steps of a timed call
POOLS: dict[str, Any] = {
    "pooled": "mean",
    "convolution": nn.Conv1D(FEATURES, (3,)),
    "attention": nn.Attention(),
    "lstm": nn.Recurrent(FEATURES, pool="max"),
    "gru": nn.Recurrent(FEATURES, cell="gru", pool="max"),
}
RATE = 1e-3
TOLERANCE = 1e-3  # largest relative difference of the losses of both
OVERHEAD_S = 20  # seconds to compile and check a head on two cores, about


def main(argv: list[str] | None = None) -> None:
    """Check each head, then time it."""
    arguments = make_parser().parse_args(argv)
    with options.open_lines(arguments) as lines:
        peers = find_peers(arguments.peers, WHAT, lines)
        n = len(arguments.heads) * len(arguments.workload) * len(arguments.batch_sizes)
        seconds = n * (3 * arguments.seconds + OVERHEAD_S)
        announce(lines, arguments, peers, n_measurements=n, seconds=seconds)
        for workload in arguments.workload:
            for batch_size in arguments.batch_sizes:
                for head in arguments.heads:
                    time_head(head, workload, batch_size, peers, arguments, lines)


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the arguments."""
    parser = options.make_parser(
        WHAT,
        __doc__,
        peers=("keras",),
        workloads=("20000x50x200",),
        large=("30000x50x400",),
        batch_sizes=(32,),
    )
    words = f"Heads to measure: {', '.join(POOLS)}."
    parser.add_argument(
        "--heads",
        nargs="+",
        choices=list(POOLS),
        default=list(POOLS),
        metavar="NAME",
        help=words,
    )
    return parser


def time_head(
    head: str,
    workload: Workload,
    batch_size: int,
    peers: list[str],
    arguments: argparse.Namespace,
    lines: Lines,
) -> None:
    """Time the training with one head in turns, and write its lines."""
    ids = make_ids("zipf", workload, N_STEPS * batch_size)[0]
    labels = np.random.default_rng(0).integers(0, 2, len(ids)).astype(np.int32)
    model = nn.TextClassifier(
        nn.Embed(workload.rows, workload.dim), nn.DenseHead(), pool=POOLS[head]
    )
    params = model.init(jax.random.key(0), ids[:1])["params"]
    calls: dict[str, Callable[[], object]] = {}
    losses: dict[str, float] = {}
    for name, is_sparse in (("jaxembed", False), ("jaxembed, row-sparse", True)):
        calls[name], losses[name] = make_ours(
            model, params, (ids, labels), batch_size, is_sparse
        )
    if "keras" in peers:
        calls["keras"], losses["keras"] = make_keras(
            head, workload, params, (ids, labels), batch_size
        )
    expected = losses["jaxembed"]
    for name, found in losses.items():
        is_right = np.allclose(found, expected, rtol=TOLERANCE)
        require_right(is_right, f"{name}, {head}")
    seconds = measure(calls, arguments.seconds)
    per_step = {name: [s / N_STEPS for s in found] for name, found in seconds.items()}
    facts: dict[str, Any] = {"workload": workload.name, "batch_size": batch_size}
    lines.report(f"{WHAT}: {head}", per_step, ids="zipf", **facts)


def make_ours(
    model: nn.TextClassifier,
    params: dict[str, Any],
    data: tuple[np.ndarray, np.ndarray],
    batch_size: int,
    is_sparse: bool,
) -> tuple[Callable[[], object], float]:
    """Return a call that trains for some steps, and the mean loss of the first call."""
    ids, labels = map(jnp.asarray, data)
    table_tx = optim.sparse_rmsprop(RATE) if is_sparse else None
    plan, _ = train.make_plan(
        model, optim.rmsprop(RATE), ids[:batch_size], table_tx=table_tx
    )
    key = jax.random.key(0)
    state = train.create_state(plan, ids[:batch_size], key=key, params=params)
    shape = N_STEPS, batch_size

    def run(state: train.TrainState) -> tuple[train.TrainState, jax.Array]:
        def body(state: train.TrainState, batch: train.Batch) -> tuple:
            state, metrics = train.step(plan, state, state.frozen, batch, key)
            return state, metrics.loss / metrics.n_examples

        masks = jnp.ones(shape, bool)
        batches = train.Batch(ids.reshape(*shape, -1), labels.reshape(shape), masks)
        means: jax.Array
        after, means = jax.lax.scan(body, state, batches)
        return after, jnp.mean(means)

    compiled = jax.jit(run, donate_argnums=0).lower(state).compile()
    held = {"state": jax.tree.map(jnp.copy, state)}

    def call() -> None:
        held["state"], _ = compiled(held["state"])
        jax.block_until_ready(held["state"])

    _, loss = compiled(state)
    return call, float(loss)


def make_keras(
    head: str,
    workload: Workload,
    params: dict[str, Any],
    data: tuple[np.ndarray, np.ndarray],
    batch_size: int,
) -> tuple[Callable[[], object], float]:
    """Return a call of Keras's ``fit``, and the mean loss of the first call."""
    ids, labels = data
    model = keras_heads.make_model(head, workload.rows, workload.dim, FEATURES)
    keras_heads.set_weights(model, head, params)
    settings = {"batch_size": batch_size, "shuffle": False, "verbose": 0}

    def call() -> Any:
        return model.fit(ids, labels[:, None], **settings)

    return call, call().history["loss"][0]


if __name__ == "__main__":
    main()
