"""A replicate of the notebook's second half, against one fit of it in Keras 3 on JAX.

Run:     python -m benchmarks.replicates --data aclImdb_v1.tar.gz \
             --vectors glove.6B.zip/glove.6B.100d.txt
Prints:  JSON lines, for frozen vectors and for learned ones: seconds for each
         replicate, of several in one call, and for each ``fit`` of Keras, in turns.

A workload is the table and the length of a text, and a batch is of draws, each of 200
reviews, that are trained in one call; ``n_parallel`` of them are trained at a time.

Both are timed from NumPy arrays to metrics, with checks and transfers. Compiling is
apart for both, as ``compile_s``: ours is that of the first call, Keras's is what a
first ``fit`` takes beyond the median of later ones. "keras" is one compiled model that
starts each time from other initial weights, drawn before the clock starts, and a new
optimizer, and validates in batches as large as ours. "keras, as is usual" is a new
model for each draw, compiled anew, that validates in batches of 32.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.harness import options
from benchmarks.harness.lines import AGAIN, Lines
from benchmarks.harness.machine import find_peak
from benchmarks.harness.turns import Seconds, shuffle_turns
from benchmarks.harness.workloads import Workload
from benchmarks.peers.available import find_peers
from benchmarks.peers.keras_notebook import VALIDATION_BATCH, make_model, restart
from jaxembed import nn, optim, replicates, text, train, vectors

WHAT = "replicate"
HIDDEN, N_TRAIN, BATCH_SIZE = 32, 200, 32  # BATCH_SIZE is of reviews in a step
CLOSE = 0.05  # how far apart the mean validation accuracies may be
KEY = jax.random.key(0)
TX = optim.rmsprop()  # one object, so that one program serves all turns
KERAS, NEW_KERAS = "keras", "keras, as is usual"


class Task(NamedTuple):
    """Reviews to train on, and the table of one arm."""

    workload: Workload  # sizes of the table and of the texts
    ids: np.ndarray  # int32[N, L]
    labels: np.ndarray  # int[N]
    draws: np.ndarray  # int32[K, n], the examples of each draw
    held_out: np.ndarray  # int[M], the examples to validate on
    # float32[V, D] of the frozen arm; None for the learned one
    table: np.ndarray | None
    epochs: int  # number of epochs

    @property
    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids and labels to validate on."""
        return self.ids[self.held_out], self.labels[self.held_out]


class Learned(NamedTuple):
    """Means over trainings."""

    accuracy: float  # validation accuracy of the last epoch
    first_loss: float  # training loss of the first epoch
    loss: float  # training loss of the last epoch


# Prepares a draw, and returns the call to time.
Turn = Callable[[int], Callable[[], Learned]]


def main(argv: list[str] | None = None) -> None:
    """Check both arms, then time them."""
    parser = options.make_parser(
        __doc__, peers=("keras",), workloads=("second",), batch_sizes=(12,)
    )
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--vectors", help="by default made from the reviews")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--n-validation", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args(argv)
    lines = options.open_lines(arguments)
    peers = find_peers(arguments.peers, WHAT, lines)
    for workload in arguments.workload:
        for frozen in load(arguments, workload):
            for arm, table in (("frozen", frozen.table), ("learned", None)):
                task = frozen._replace(table=table)
                how = "keras" in peers, arguments.repeats, lines
                measure(arm, task, *how, data=Path(arguments.data).name)


def load(arguments: argparse.Namespace, workload: Workload) -> Iterator[Task]:
    """Load the arm with frozen vectors, for each number of draws."""
    tokens = text.load_imdb_tokens(
        arguments.data, text.Tokenizer(workload.rows), cache_dir=arguments.cache
    )
    words = tokens.tokenizer.word_index
    if arguments.vectors:
        found = vectors.load(arguments.vectors, vocabulary=words)
    else:
        texts = tokens.unlabelled if len(tokens.unlabelled) else tokens.train
        found = vectors.ppmi(texts, tokens.tokenizer, workload.dim)
    if found.dim != workload.dim:
        raise SystemExit(
            f"vectors of {found.dim} numbers do not fit the workload {workload.name}."
        )
    table, _ = vectors.embedding_matrix(words, found, workload.rows)
    ids = text.pad_sequences(tokens.train, maxlen=workload.length)
    order = np.random.default_rng(0).permutation(len(ids))
    held_out, pool = np.split(order, [arguments.n_validation])
    labels = tokens.train_labels
    for n_draws in arguments.batch_sizes:
        draws = replicates.draw_examples(KEY, n_draws, pool, N_TRAIN)
        yield Task(workload, ids, labels, draws, held_out, table, arguments.epochs)


def settings(task: Task) -> tuple[nn.TextClassifier, dict[str, Any]]:
    """Return the model and the arguments that replicates and a single run share."""
    _, n_rows, dim, _ = task.workload
    embed = nn.Embed(n_rows, dim, frozen=task.table is not None)
    model = nn.TextClassifier(embed, nn.DenseHead(hidden=(HIDDEN,)))
    given = None if task.table is None else {"embed": {"embedding": task.table}}
    sizes = {"epochs": task.epochs, "batch_size": BATCH_SIZE, "tx": TX}
    shared = {"params": given, "validation": task.validation, "progress": False}
    return model, shared | sizes


def run(task: Task) -> replicates.Histories:
    """Train all draws."""
    model, shared = settings(task)
    data = task.ids, task.labels
    return replicates.run(model, data, examples=task.draws, key=KEY, **shared)


def check(task: Task, histories: replicates.Histories) -> None:
    """Stop unless a replicate is what it is alone."""
    model, shared = settings(task)
    data, last = (task.ids, task.labels), len(histories) - 1
    key = jax.random.fold_in(KEY, last)
    _, alone = train.fit(model, data, examples=task.draws[last], key=key, **shared)
    found = histories.loss[last], histories.val_loss[last]
    if not np.allclose(found, (alone.loss, alone.val_loss), rtol=1e-5, atol=1e-6):
        raise SystemExit(f"{WHAT}: it is not what it is alone: nothing is timed.")


def measure(
    arm: str, task: Task, with_keras: bool, repeats: int, lines: Lines, **facts: Any
) -> None:
    """Time replicates and fits in turns, and print their lines."""
    histories = run(task)
    check(task, histories)
    details: dict[str, dict[str, Any]] = {"jaxembed": {}}
    details["jaxembed"]["n_parallel"] = histories.n_parallel
    details["jaxembed"]["compile_s"] = round(histories.seconds["compile"], 4)
    details["jaxembed"]["own_peak_bytes"] = find_peak()  # before Keras has trained
    turns = make_turns(task, with_keras)
    first = {name: time_turn(turn, 0) for name, turn in turns.items()}
    check_losses({name: learned for name, (_, learned) in first.items()})
    seconds, learned = take_turns(turns, repeats)
    check_accuracies(learned)
    for name in ("jaxembed", AGAIN):  # one call is all draws
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
    """Return the turn of each implementation."""
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
    """Train all draws by jaxembed."""
    histories = run(task)
    losses = histories.loss.mean(0)
    return Learned(histories.val_accuracy[:, -1].mean(), losses[0], losses[-1])


def make_keras(task: Task) -> Any:
    """Make a new Keras model and optimizer, not yet compiled by XLA."""
    _, n_rows, dim, length = task.workload
    return make_model(n_rows, dim, hidden=HIDDEN, length=length, table=task.table)


def fit_keras(
    task: Task, draw: int, model: Any, validation_batch_size: int | None = None
) -> Learned:
    """Train a Keras model on one draw; by default it validates in batches of 32."""
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
    """Stop at an implementation that has not learned from one draw."""
    for name, (_, first_loss, loss) in learned.items():
        if not loss < first_loss:
            raise SystemExit(
                f"{WHAT}: {name} is wrong: its loss went from {first_loss} to {loss}."
            )


def check_accuracies(learned: dict[str, Learned]) -> None:
    """Stop if the mean accuracies over draws are far apart."""
    accuracies = {name: one.accuracy for name, one in learned.items()}
    if not np.ptp(list(accuracies.values())) <= CLOSE:
        raise SystemExit(f"validation accuracies more than {CLOSE} apart: {accuracies}")


def time_turn(turn: Turn, draw: int) -> tuple[float, Learned]:
    """Return the seconds of a turn's call, and its result."""
    call = turn(draw)
    start = time.perf_counter()
    learned = call()
    return time.perf_counter() - start, learned


def take_turns(
    turns: dict[str, Turn], repeats: int
) -> tuple[Seconds, dict[str, Learned]]:
    """Return the seconds of turns, jaxembed's also as ``AGAIN``; and mean results."""
    turns = turns | {AGAIN: turns["jaxembed"]}
    seconds: Seconds = {name: [] for name in turns}
    learned: dict[str, list[Learned]] = {name: [] for name in turns}
    for repeat, name in shuffle_turns(turns, repeats):
        turn_s, one = time_turn(turns[name], repeat)
        seconds[name].append(turn_s)
        learned[name].append(one)
    return seconds, {
        name: Learned(*np.mean(all_of, axis=0).tolist())
        for name, all_of in learned.items()
    }


if __name__ == "__main__":
    main()
