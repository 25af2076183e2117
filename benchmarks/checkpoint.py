"""Checkpoint: how much longer is an epoch that saves the run in the background?

Run:     python -m benchmarks.checkpoint > checkpoint.jsonl
Prints:  JSON lines of two measurements for each workload and batch size: an epoch
         without and with fit(checkpoint=); and an epoch with its share of the end of
         fit, which waits for the last save.

A turn is a training of --epochs epochs. The first epoch is not counted, since it comes
before the first save. Texts of more than 100 ids are averaged and trained with Adagrad,
as word pairs are. Shorter texts are read in order and trained with RMSprop, as in the
notebook's first model. The table is trained row by row. Before the clock starts, the
weights with a checkpoint, the saved weights and the weights without one must have equal
bits.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from benchmarks.harness import options
from benchmarks.harness.lines import AGAIN, Lines
from benchmarks.harness.plan import announce
from benchmarks.harness.turns import require_right, shuffle_turns
from benchmarks.harness.workloads import N_BATCHES, Workload, make_ids
from jaxembed import nn, optim, train

WITHOUT, WITH = "jaxembed", "jaxembed, checkpoint="
PAIRS = f"{60_000 + 2**21}x10x384"  # 60,000 words, and 2**21 hashed word pairs
LONG = 100  # ids; longer texts are averaged
NUMBERS_S = 2e8  # numbers of texts and rows that are trained in a second, about


class Task(NamedTuple):
    """Arguments of the trainings of a workload."""

    model: nn.TextClassifier
    data: train.Examples
    settings: dict[str, Any]


def main(argv: list[str] | None = None) -> None:
    """Train with and without a checkpoint in turns, and report the epochs."""
    parser = options.make_parser(
        "checkpoint",
        __doc__,
        peers=(),
        workloads=("first", PAIRS),
        large=(),
        seconds=False,
        batch_sizes=(32,),
    )
    add = parser.add_argument
    add("--texts", type=int, default=20_000, help="Number of texts of an epoch.")
    add("--epochs", type=int, default=10, help="Number of epochs of a training.")
    add("--turns", type=int, default=5, help="Number of trainings of each kind.")
    arguments = parser.parse_args(argv)
    if arguments.epochs < 2 or arguments.texts < N_BATCHES:
        parser.error(f"--epochs must be at least 2, and --texts at least {N_BATCHES}.")
    n = len(arguments.workload) * len(arguments.batch_sizes)
    numbers = sum(w.length * w.dim for w in arguments.workload) * arguments.texts
    n_trainings = len(arguments.batch_sizes) * (3 * arguments.turns + 2)
    seconds = arguments.epochs * numbers * n_trainings / NUMBERS_S
    with options.open_lines(arguments) as lines:
        announce(lines, arguments, [], n_measurements=2 * n, seconds=seconds)
        for workload in arguments.workload:
            for batch_size in arguments.batch_sizes:
                task = make_task(workload, batch_size, arguments)
                with tempfile.TemporaryDirectory() as folder:
                    check(task, Path(folder))
                facts = {"workload": workload.name, "batch_size": batch_size}
                facts |= {"epochs": arguments.epochs, "texts": arguments.texts}
                report(measure(task, arguments.turns), lines, **facts)


def make_task(
    workload: Workload, batch_size: int, arguments: argparse.Namespace
) -> Task:
    """Make texts with random labels, and a model for their length."""
    ids = make_ids("zipf", workload, arguments.texts // N_BATCHES)
    ids = ids.reshape(-1, workload.length)
    labels = np.random.default_rng(0).integers(0, 2, len(ids))
    pool, tx, table_tx = None, optim.rmsprop(), optim.sparse_rmsprop()
    if workload.length > LONG:
        pool, tx = "mean", optax.adagrad(0.1)
        table_tx = optim.sparse_adagrad(0.1, per_row=True)
    embed = nn.Embed(workload.rows, workload.dim)
    settings = {
        "tx": tx,
        "table_tx": table_tx,
        "epochs": arguments.epochs,
        "batch_size": batch_size,
        "key": jax.random.key(0),
        "progress": False,
    }
    return Task(
        nn.TextClassifier(embed, nn.DenseHead(), pool=pool), (ids, labels), settings
    )


def check(task: Task, folder: Path) -> None:
    """Stop unless the weights with and without a checkpoint have equal bits."""
    plain, _ = train.fit(task.model, task.data, **task.settings)
    saving, _ = train.fit(task.model, task.data, checkpoint=folder, **task.settings)
    saved, _ = train.restore(folder)
    for state in (saving, saved["state"]):
        equal = jax.tree.map(np.array_equal, state.variables, plain.variables)
        require_right(all(jax.tree.leaves(equal)), WITH)


def measure(task: Task, n_turns: int) -> dict[str, list[tuple[float, float]]]:
    """Return the seconds of an epoch, without and with the end, in each turn."""
    names = (WITHOUT, WITH, AGAIN)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for _, name in shuffle_turns(names, n_turns):
        with tempfile.TemporaryDirectory() as folder:
            seconds[name].append(time_epochs(task, folder if name == WITH else None))
    return seconds


def time_epochs(task: Task, checkpoint: str | None) -> tuple[float, float]:
    """Train, and return the mean seconds of the epochs after the first."""
    ends: list[float] = []
    train.fit(
        task.model,
        task.data,
        checkpoint=checkpoint,
        on_epoch=lambda history: ends.append(time.perf_counter()),
        **task.settings,
    )
    end, n = time.perf_counter(), len(ends) - 1
    return (ends[-1] - ends[0]) / n, (end - ends[0]) / n


def report(
    seconds: dict[str, list[tuple[float, float]]], lines: Lines, **facts: Any
) -> None:
    """Write the lines of both measurements."""
    for i, what in enumerate(("epoch", "epoch, with the last save")):
        parts = {name: [pair[i] for pair in found] for name, found in seconds.items()}
        lines.report(f"checkpoint: {what}", parts, **facts)


if __name__ == "__main__":
    main()
