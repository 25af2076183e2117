r"""Replicates: a replicate of the notebook's second half, against a fit of Keras 3.

Run:     python -m benchmarks.replicates --data aclImdb_v1.tar.gz \
             --vectors glove.6B.zip/glove.6B.100d.txt
Prints:  JSON lines of two measurements: frozen vectors, and a learned table. Each has
         the seconds per replicate of one call of jaxembed with several replicates, and
         the seconds of one fit of Keras on JAX. jaxembed and Keras take turns.

A workload VxDxL is a table of V rows of length D and reviews of L ids. A batch is the
draws of one call, 200 reviews in each draw. n_parallel draws are trained at a time.

A time starts with NumPy arrays and ends with metrics. It includes checks and transfers
and excludes compilation. compile_s of jaxembed is the compile time of the first call.
compile_s of Keras is the time of the first fit minus the median time of later fits.
"keras" compiles one model and resets its weights and its optimizer before each fit; its
validation batch size is that of jaxembed. "keras, as is usual" makes and compiles a new
model for each draw and validates in batches of 32.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks._draws import KEY, Task, load
from benchmarks.harness import options
from benchmarks.harness.lines import AGAIN, Lines
from benchmarks.harness.machine import find_peak
from benchmarks.harness.plan import announce
from benchmarks.harness.turns import Seconds, measure_results, time_result
from benchmarks.peers.available import find_peers
from benchmarks.peers.keras_notebook import VALIDATION_BATCH, make_model, restart
from jaxembed import nn, optim, replicates, train

WHAT = "replicate"
HIDDEN, BATCH_SIZE = 32, 32  # units; reviews in a step
CLOSE = 0.05  # largest difference of the mean validation accuracies
TX = optim.rmsprop()  # one object, so that one program serves all turns
KERAS, NEW_KERAS = "keras", "keras, as is usual"
DRAW_S, FITS_S = 1e-5, 8e-5  # seconds per epoch and review of a draw, of two fits


class Learned(NamedTuple):
    """Means over trainings."""

    accuracy: float  # validation accuracy of the last epoch
    first_loss: float  # training loss of the first epoch
    loss: float  # training loss of the last epoch


Turn = Callable[[int], Callable[[], Learned]]  # returns the call of a draw


def main(argv: list[str] | None = None) -> None:
    """Check both arms, then time them."""
    arguments = make_parser().parse_args(argv)
    with options.open_lines(arguments) as lines:
        peers = find_peers(arguments.peers, WHAT, lines)
        sizes = arguments.batch_sizes
        n_workloads, n_turns = len(arguments.workload), arguments.repeats + 1
        turn_s = 2 * DRAW_S * sum(sizes) + FITS_S * len(sizes) * len(peers)
        turn_s *= arguments.epochs * arguments.n_validation
        seconds = 2 * n_workloads * n_turns * turn_s
        n = 2 * n_workloads * len(sizes)
        announce(lines, arguments, peers, n_measurements=n, seconds=seconds)
        for workload in arguments.workload:
            for frozen in load(arguments, workload):
                for arm, table in (("frozen", frozen.table), ("learned", None)):
                    task = frozen._replace(table=table)
                    how = bool(peers), arguments.repeats, lines
                    measure(arm, task, *how, data=Path(arguments.data).name)


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the arguments."""
    parser = options.make_parser(
        "replicates",
        __doc__,
        peers=("keras",),
        workloads=("second",),
        large=(),
        seconds=False,
        batch_sizes=(12,),
    )
    add, cache = parser.add_argument, Path("runs/cache")
    words = "Source of the reviews: a folder, an archive, or synthetic."
    add("--data", default="synthetic", help=words)
    words = "File of word vectors. Without it, vectors are computed from the reviews."
    add("--vectors", metavar="FILE", help=words)
    words = "Cache folder for tokenised reviews."
    add("--cache", type=Path, default=cache, metavar="FOLDER", help=words)
    words = "Number of validation reviews."
    add("--n-validation", type=int, default=10_000, help=words)
    add("--epochs", type=int, default=10, help="Number of epochs of a training.")
    words = "Number of times to measure each implementation."
    add("--repeats", type=int, default=5, help=words)
    return parser


def settings(task: Task) -> tuple[nn.TextClassifier, dict[str, Any]]:
    """Return the model, and the arguments of both replicates.run and train.fit."""
    _, n_rows, dim, _ = task.workload
    embed = nn.Embed(n_rows, dim, frozen=task.table is not None)
    model = nn.TextClassifier(embed, nn.DenseHead(hidden=(HIDDEN,)))
    given = None if task.table is None else {"embed": {"embedding": task.table}}
    sizes = {"epochs": task.epochs, "batch_size": BATCH_SIZE, "tx": TX}
    shared = {"params": given, "validation": task.validation, "progress": False}
    return model, shared | sizes


def run(task: Task) -> replicates.Histories:
    """Train all draws by jaxembed."""
    model, shared = settings(task)
    data = task.ids, task.labels
    return replicates.run(model, data, examples=task.draws, key=KEY, **shared)


def check(task: Task, histories: replicates.Histories) -> None:
    """Stop unless the last replicate equals a single fit of its draw."""
    model, shared = settings(task)
    data, last = (task.ids, task.labels), len(histories) - 1
    key = jax.random.fold_in(KEY, last)
    _, alone = train.fit(model, data, examples=task.draws[last], key=key, **shared)
    found = histories.loss[last], histories.val_loss[last]
    if not np.allclose(found, (alone.loss, alone.val_loss), rtol=1e-5, atol=1e-6):
        raise SystemExit(
            f"{WHAT}: the losses of the last replicate differ from a single fit of its "
            "draw. Nothing is timed."
        )


def measure(
    arm: str, task: Task, with_keras: bool, repeats: int, lines: Lines, **facts: Any
) -> None:
    """Check and time replicates and fits in turns, and write their lines."""
    histories = run(task)
    check(task, histories)
    details: dict[str, dict[str, Any]] = {"jaxembed": {}}
    details["jaxembed"]["n_parallel"] = histories.n_parallel
    details["jaxembed"]["compile_s"] = round(histories.seconds["compile"], 4)
    details["jaxembed"]["own_peak_bytes"] = find_peak()  # before Keras has trained
    turns = make_turns(task, with_keras)
    first = {name: time_result(turn(0)) for name, turn in turns.items()}
    check_losses({name: learned for name, (_, learned) in first.items()})
    seconds, learned = take_turns(turns, repeats)
    check_accuracies(learned)
    for name in ("jaxembed", AGAIN):  # a call trains all draws
        seconds[name] = [s / len(task.draws) for s in seconds[name]]
    if with_keras:
        first_s, _ = first[KERAS]
        details[KERAS] = {"compile_s": round(first_s - np.median(seconds[KERAS]), 4)}
    for name in turns:
        found = {"val_accuracy": round(learned[name].accuracy, 4)}
        details[name] = details.get(name, {}) | found
    lines.report(
        f"{WHAT}, {arm}",
        seconds,
        details=details,
        workload=task.workload.name,
        batch_size=len(task.draws),
        epochs=task.epochs,
        validation=len(task.held_out),
        **facts,
    )


def make_turns(task: Task, with_keras: bool) -> dict[str, Turn]:
    """Return the turns of each implementation."""
    turns: dict[str, Turn] = {"jaxembed": lambda _: lambda: learn(task)}
    if with_keras:
        model = make_keras(task)

        def turn(draw: int) -> Callable[[], Learned]:
            new = make_keras(task)

            def fit() -> Learned:
                restart(model, new)
                return fit_keras(task, draw, model, VALIDATION_BATCH)

            return fit

        turns[KERAS] = turn
        turns[NEW_KERAS] = lambda draw: lambda: fit_keras(task, draw, make_keras(task))
    return turns


def learn(task: Task) -> Learned:
    """Train all draws by jaxembed; return the means."""
    histories = run(task)
    losses = histories.loss.mean(0)
    return Learned(histories.val_accuracy[:, -1].mean(), losses[0], losses[-1])


def make_keras(task: Task) -> Any:
    """Make a Keras model and its optimizer; XLA compiles them at the first fit."""
    _, n_rows, dim, length = task.workload
    return make_model(n_rows, dim, hidden=HIDDEN, length=length, table=task.table)


def fit_keras(
    task: Task, draw: int, model: Any, validation_batch_size: int | None = None
) -> Learned:
    """Train a Keras model on one draw; the default validation batch size is 32."""
    examples = task.draws[draw % len(task.draws)]
    history = model.fit(
        task.ids[examples],
        task.labels[examples],
        epochs=task.epochs,
        batch_size=BATCH_SIZE,
        validation_data=task.validation,
        validation_batch_size=validation_batch_size,
        verbose=0,
    ).history
    return Learned(history["val_acc"][-1], history["loss"][0], history["loss"][-1])


def check_losses(learned: dict[str, Learned]) -> None:
    """Stop the benchmark if the loss of an implementation did not decrease."""
    for name, (_, first_loss, loss) in learned.items():
        if not loss < first_loss:
            raise SystemExit(
                f"{WHAT}: {name} is wrong: its loss must fall, and went from "
                f"{first_loss} to {loss}."
            )


def check_accuracies(learned: dict[str, Learned]) -> None:
    """Stop if the mean accuracies over draws differ too much."""
    accuracies = {name: one.accuracy for name, one in learned.items()}
    if not np.ptp(list(accuracies.values())) <= CLOSE:
        raise SystemExit(
            f"Mean validation accuracies must differ by at most {CLOSE}, got "
            f"{accuracies}."
        )


def take_turns(
    turns: dict[str, Turn], repeats: int
) -> tuple[Seconds, dict[str, Learned]]:
    """Time turns, jaxembed's also as ``AGAIN``; return seconds and mean results."""
    again = {AGAIN: turns["jaxembed"]}
    seconds, learned = measure_results(turns | again, repeats)
    return seconds, {
        name: Learned(*np.mean(results, axis=0).tolist())
        for name, results in learned.items()
    }


if __name__ == "__main__":
    main()
