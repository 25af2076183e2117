"""Training step: called from Python or in a scan, against Flax, Keras and torch.

Run:     python -m benchmarks.train_step
         python -m benchmarks.train_step --large
         python -m benchmarks.train_step --workload first --trainings dense
Prints:  JSON lines of seconds per step, for each workload, batch size, kind of ids and
         training. The model is a linear classifier of flattened rows. Its table is
         trained by dense RMSprop, row-sparse RMSprop, SGD or lazy Adam, or is frozen.

"jaxembed" is a jitted step called from Python. "jaxembed, scan" runs the steps in one
compiled scan, as in train.fit. Flax and Optax lack a row-sparse RMSprop: "flax" runs
dense RMSprop, which gives equal weights. torch's sparse optimizers are SGD and
SparseAdam. A timed call runs several steps, and its time is divided by the number of
steps.
"""

import argparse
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.harness import options
from benchmarks.harness.compiled import Program, compile_program
from benchmarks.harness.expected_weights import RATE, SGD_RATE, Weights, make_weights
from benchmarks.harness.lines import Lines
from benchmarks.harness.plan import announce
from benchmarks.harness.trainings import (
    Maker,
    Setting,
    Task,
    Trainer,
    fit_into_memory,
    time_trainings,
)
from benchmarks.harness.workloads import Workload, find_texts, has_reviews, make_ids
from benchmarks.peers import flax, keras, torch
from benchmarks.peers.available import find_peers
from jaxembed import nn, optim, train

PEERS = ("flax", "keras", "torch")
KEY = jax.random.key(0)
OVERHEAD_S = 3  # seconds to compile and check a training on two cores, about


def main(argv: list[str] | None = None) -> None:
    """Check each training, then time it."""
    parser = options.make_parser("train_step", __doc__, peers=PEERS, ids=True)
    names = [what.removeprefix("train step, ") for what in TRAININGS]
    parser.add_argument(
        "--trainings",
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help=f"Trainings to measure: {', '.join(names)}. Quote a name with a space.",
    )
    arguments = parser.parse_args(argv)
    with options.open_lines(arguments) as lines:
        peers = find_peers(arguments.peers, "train step", lines)
        kinds = [k for k in arguments.ids if k != "real" or has_reviews(arguments.data)]
        groups = [torch.set_apart(pick(x, peers)) for x in arguments.trainings]
        n = len(arguments.workload) * len(arguments.batch_sizes) * len(kinds)
        n *= sum(map(len, groups))
        seconds = n * (1.5 * arguments.seconds + OVERHEAD_S)
        announce(lines, arguments, peers, n_measurements=n, seconds=seconds)
        # By default a GPU multiplies with 10 bits, too few for the check.
        with jax.default_matmul_precision("highest"):
            for workload in arguments.workload:
                where = {"what": "train step", "workload": workload.name}
                if lines.has_room(3 * workload.table_bytes, **where):
                    time_workload(workload, peers, arguments, lines)


def pick(training: str, peers: list[str]) -> dict[str, Maker]:
    """Return the implementations of a training by jaxembed and the peers."""
    return {
        name: maker
        for name, maker in TRAININGS[f"train step, {training}"].items()
        if name.split(",")[0] in ["jaxembed", *peers]
    }


def time_workload(
    workload: Workload, peers: list[str], arguments: argparse.Namespace, lines: Lines
) -> None:
    """Time all batch sizes, kinds of ids and trainings of a workload."""
    weights = make_weights(workload.rows, workload.dim, workload.length)
    kinds, texts = find_texts(arguments, workload, "train step", lines)
    rng = np.random.default_rng(3)
    for batch_size, kind in itertools.product(arguments.batch_sizes, kinds):
        ids = make_ids(kind, workload, batch_size, texts)
        labels = rng.integers(2, size=ids.shape[:2], dtype=np.int32)
        where = {"workload": workload.name, "batch_size": batch_size, "ids": kind}
        setting = Setting(workload, weights, ids, labels, where, {})
        for name in arguments.trainings:
            what = f"train step, {name}"
            for some in torch.set_apart(pick(name, peers)):
                for group in fit_into_memory(some, setting, what, lines):
                    time_trainings(what, group, setting, arguments.seconds, lines)


def make_loop(task: Task, n_steps: int, is_dense: bool = False) -> Trainer:
    """Make a jitted step with donated buffers, called from Python."""
    plan, state, frozen = _start(task, is_dense)
    mask = jnp.ones(task.ids.shape[1], bool)
    arrays = zip(jnp.asarray(task.ids), jnp.asarray(task.labels), strict=True)
    batches = [train.Batch(ids, labels, mask) for ids, labels in arrays]

    def step(state: Any, frozen: Any, batch: Any, key: Any) -> Any:
        return train.step(plan, state, frozen, batch, key)[0]

    program = compile_program(step, state, frozen, batches[0], KEY, donate=(0,))
    numbers = task.batch_numbers(n_steps)

    def run(state: Any) -> Any:
        for number in numbers:
            state = program.call(state, frozen, batches[number], KEY)
        return state

    return _make_trainer(run, state, frozen, n_steps, program)


def make_scan(task: Task, n_steps: int, is_dense: bool = False) -> Trainer:
    """Make a program that runs the same steps in a scan."""
    plan, state, frozen = _start(task, is_dense)
    _, batch_size, length = task.ids.shape
    data = jnp.asarray(task.ids.reshape(-1, length)), jnp.asarray(task.labels.ravel())
    firsts = batch_size * np.array(task.batch_numbers(n_steps), np.int32)
    examples = jnp.asarray((firsts[:, None] + np.arange(batch_size)).ravel(), jnp.int32)
    sizes = {"batch_size": batch_size, "shuffle": False}

    def epoch(state: Any, frozen: Any, data: Any, examples: Any, key: Any) -> Any:
        arrays = data, examples, key
        return train.run_epoch(plan, state, frozen, *arrays, 0, **sizes)[0]

    program = compile_program(epoch, state, frozen, data, examples, KEY, donate=(0,))

    def run(state: Any) -> Any:
        return program.call(state, frozen, data, examples, KEY)

    return _make_trainer(run, state, frozen, n_steps, program)


def _start(task: Task, is_dense: bool) -> tuple[train.Plan, Any, Any]:
    """Return the plan, the initial state and the frozen parameters.

    The state is donated and excludes the frozen parameters, an argument of each step.
    """
    n_rows, dim = task.weights.table.shape
    embed = nn.Embed(n_rows, dim, frozen=task.rule == "frozen")
    model = nn.TextClassifier(embed, nn.DenseHead())
    tx, table_tx = {
        "RMSprop": (optim.rmsprop(RATE), optim.sparse_rmsprop(RATE)),
        "SGD": (optax.sgd(SGD_RATE), optim.sparse_sgd(SGD_RATE)),
        "lazy Adam": (optax.adam(RATE), optim.lazy_adam(RATE)),
        "frozen": (optim.rmsprop(RATE), None),
    }[task.rule]
    plan, _ = train.make_plan(model, tx, task.ids[0], table_tx=table_tx)
    table, kernel, bias = task.weights
    head = {"kernel": kernel, "bias": bias}
    params = {"embed": {"embedding": table}, "head": {"logits": head}}
    # By default, create_state trains small tables densely.
    sparse = frozenset() if is_dense else plan.tables
    state = train.create_state(plan, task.ids[0], key=KEY, params=params, sparse=sparse)
    return plan, state.replace(frozen={}), state.frozen


def _make_trainer(
    run: Callable[[Any], Any], state: Any, frozen: Any, n_steps: int, program: Program
) -> Trainer:
    box = [state]

    def call() -> None:
        box.append(jax.block_until_ready(run(box.pop())))

    def read(rows: np.ndarray) -> Weights:
        params = box[0].replace(frozen=frozen).variables["params"]
        layer = params["head"]["logits"]
        table = params["embed"]["embedding"][rows]
        return Weights(*map(np.asarray, (table, layer["kernel"], layer["bias"])))

    return Trainer(call, n_steps, read, program.details)


def _ours(rule: str, is_dense: bool = False, tables: int = 2) -> dict[str, Maker]:
    """Return jaxembed's step from Python and its scan."""
    loop, scan = (partial(make, is_dense=is_dense) for make in (make_loop, make_scan))
    return {
        "jaxembed": Maker(loop, rule, is_dense, tables),
        "jaxembed, scan": Maker(scan, rule, is_dense, tables),
    }


def _torch(rule: str, is_dense: bool = False, tables: int = 2) -> dict[str, Maker]:
    """Return torch on all cores and on one thread, faster for small batches."""
    maker = Maker(torch.make_trainer, rule, is_dense, tables)
    return {
        "torch": maker._replace(prepare=partial(torch.set_threads, None)),
        "torch, 1 thread": maker._replace(prepare=partial(torch.set_threads, 1)),
    }


TRAININGS: dict[str, dict[str, Maker]] = {
    "train step, dense": {
        **_ours("RMSprop", True, 4),
        "flax": Maker(flax.make_trainer, "RMSprop", True, 4),
        # Each fit of Keras has a fixed cost of some milliseconds, shared by its steps.
        "keras": Maker(keras.make_trainer, "RMSprop", True, 5, times=4),
        **_torch("torch's RMSprop", True, 4),
    },
    "train step, row-sparse": {
        **_ours("RMSprop"),
        "flax": Maker(flax.make_trainer, "RMSprop", True, 4),
    },
    "train step, SGD": {**_ours("SGD"), **_torch("SGD, torch's")},
    "train step, lazy Adam": {
        **_ours("lazy Adam", tables=3),
        **_torch("lazy Adam, torch's", tables=3),
    },
    "train step, frozen": {
        **_ours("frozen", tables=1),
        "flax": Maker(flax.make_trainer, "frozen", tables=1),
        "keras": Maker(keras.make_trainer, "frozen", times=4),
        **_torch("frozen, torch's", tables=1),
    },
}

if __name__ == "__main__":
    main()
