"""A replicate of the notebook's second half, against one fit of it in Keras 3 on JAX.

Run:     python -m benchmarks.replicates --data aclImdb_v1.tar.gz \
             --vectors glove.6B.zip/glove.6B.100d.txt
Prints:  JSON lines, for vectors that are frozen and for learned ones: seconds for each
         replicate, of some in one call, and for each ``fit`` of Keras, in turns.

A workload is the table and the length of a text, and a batch is of draws, each of 200
reviews, that are trained in one call; ``chunk`` is how many of them went side by side.

Both are timed from NumPy arrays to metrics, with checks and transfers. Compiling is
apart for both, as ``compile_s``: ours is that of the first call, Keras's is what a
first ``fit`` takes beyond the median of later ones. "keras" is one compiled model that
starts each time from other initial weights, drawn before the clock starts, and a new
optimizer. "keras, a new model each" is compiled anew for each draw, as is usual.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks import _options, _peers
from benchmarks._lines import AGAIN, Lines, find_peak
from benchmarks._workloads import Workload
from jaxembed import nn, optim, text, train, vectors

WHAT = "replicate"
HIDDEN, N_TRAIN, BATCH_SIZE = 32, 200, 32  # BATCH_SIZE is of reviews in a step
CLOSE = 0.05  # how far apart the mean validation accuracies of the two may be
KEY = jax.random.key(0)
TX = optim.rmsprop()  # one object, so that one program serves all turns
KERAS, NEW_KERAS = "keras", "keras, a new model each"
# Prepares a draw, and gives the call to time, which gives the last accuracy.
Turn = Callable[[int], Callable[[], float]]


class Task(NamedTuple):
    """The reviews, and the table of one arm.

    Attributes:
      workload: sizes of the table and of the texts.
      ids: ``int32[N, L]``.
      labels: ``int[N]``.
      rows: ``int32[K, n]``, the draws.
      held_out: ``int[M]``, the reviews to validate on.
      table: ``float32[V, D]`` of an arm that is frozen; None for one that is learned.
      epochs: how many.
    """

    workload: Workload
    ids: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    held_out: np.ndarray
    table: np.ndarray | None
    epochs: int


def main(argv: list[str] | None = None) -> None:
    """Checks, then times both arms."""
    parser = _options.make_parser(
        __doc__, peers=("keras",), workloads=("second",), batch_sizes=(12,)
    )
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--vectors", help="by default made from the reviews")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--n-validation", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args(argv)
    lines = _options.open_lines(arguments)
    peers = _peers.find_peers(arguments.peers, WHAT, lines)
    for workload in arguments.workload:
        for frozen in load(arguments, workload):
            for arm, table in (("frozen", frozen.table), ("learned", None)):
                task = frozen._replace(table=table)
                how = "keras" in peers, arguments.repeats, lines
                measure(arm, task, *how, data=Path(arguments.data).name)


def load(arguments: argparse.Namespace, workload: Workload) -> Iterator[Task]:
    """The arm with frozen vectors, for each number of draws."""
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
            f"vectors of {found.dim} numbers are none for the workload {workload.name}."
        )
    table, _ = vectors.embedding_matrix(words, found, workload.rows)
    ids = text.pad_sequences(tokens.train, maxlen=workload.length)
    order = np.random.default_rng(0).permutation(len(ids))
    held_out, pool = np.split(order, [arguments.n_validation])
    labels = tokens.train_labels
    for n_draws in arguments.batch_sizes:
        rows = train.draw_rows(KEY, n_draws, pool, N_TRAIN)
        yield Task(workload, ids, labels, rows, held_out, table, arguments.epochs)


def settings(task: Task) -> tuple[nn.TextClassifier, dict[str, Any]]:
    """Model and arguments that replicates and a single run have in common."""
    _, rows, dim, _ = task.workload
    embed = nn.Embed(rows, dim, frozen=task.table is not None)
    model = nn.TextClassifier(embed, nn.FlattenDense(hidden=(HIDDEN,)))
    given = None if task.table is None else {"embed": {"embedding": task.table}}
    held_out = task.ids[task.held_out], task.labels[task.held_out]
    sizes = {"epochs": task.epochs, "batch_size": BATCH_SIZE, "tx": TX}
    return model, {"params": given, "validation": held_out, "progress": False} | sizes


def run(task: Task) -> train.Histories:
    """All draws."""
    model, options = settings(task)
    data = task.ids, task.labels
    return train.replicate(model, data, rows=task.rows, key=KEY, **options)


def check(task: Task, histories: train.Histories) -> None:
    """Refuses replicates that are not what each is alone."""
    model, options = settings(task)
    data, last = (task.ids, task.labels), len(histories) - 1
    key = jax.random.fold_in(KEY, last)
    _, alone = train.fit(model, data, rows=task.rows[last], key=key, **options)
    found = histories.loss[last], histories.val_loss[last]
    if not np.allclose(found, (alone.loss, alone.val_loss), rtol=1e-5, atol=1e-6):
        raise SystemExit(f"{WHAT}: it is not what it is alone: nothing is timed.")


def make_keras(task: Task) -> Any:
    """A new Keras model, with an optimizer, of which nothing is compiled by XLA yet."""
    import keras

    layers = keras.layers
    _, n_rows, dim, length = task.workload
    embed = layers.Embedding(n_rows, dim, trainable=task.table is None)
    hidden = layers.Dense(HIDDEN, activation="relu")
    last = layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([embed, layers.Flatten(), hidden, last])
    model.build((None, length))
    if task.table is not None:
        embed.set_weights([task.table])
    model.compile("rmsprop", loss="binary_crossentropy", metrics=["acc"])
    model.optimizer.build(model.trainable_variables)
    return model


def start_anew(model: Any, new: Any) -> None:
    """Gives a Keras model the weights and the optimizer's state of a new one."""
    states = [
        [*one.trainable_variables, *one.optimizer.variables] for one in (model, new)
    ]
    for variable, other in zip(*states, strict=True):
        variable.assign(other)


def fit_keras(task: Task, draw: int, model: Any, new: Any = None) -> float:
    """Trains a Keras model, as it was ``new``, on one draw; its last accuracy."""
    if new is not None:
        start_anew(model, new)
    rows = task.rows[draw % len(task.rows)]
    history = model.fit(
        task.ids[rows],
        task.labels[rows],
        epochs=task.epochs,
        batch_size=BATCH_SIZE,
        validation_data=(task.ids[task.held_out], task.labels[task.held_out]),
        verbose=0,
    )
    return history.history["val_acc"][-1]


def measure(
    arm: str, task: Task, with_keras: bool, repeats: int, lines: Lines, **facts: Any
) -> None:
    """Times replicates and fits in turns, and prints their lines."""
    histories = run(task)
    check(task, histories)
    details: dict[str, dict[str, Any]] = {"jaxembed": {"chunk": histories.chunk}}
    details["jaxembed"]["compile_s"] = round(histories.seconds["compile"], 4)
    details["jaxembed"]["own_peak_bytes"] = find_peak()  # before Keras has trained
    turns = make_turns(task, with_keras)
    first_s = time_turn(turns[KERAS], 0)[0] if with_keras else 0.0
    found = take_turns(turns, repeats)
    for name in ("jaxembed", AGAIN):
        found[name][0] /= len(task.rows)  # one call is all draws
    seconds = {name: pairs[0].tolist() for name, pairs in found.items()}
    if with_keras:
        details[KERAS] = {"compile_s": round(first_s - np.median(seconds[KERAS]), 4)}
    means = {name: float(found[name][1].mean()) for name in turns}
    if np.ptp(list(means.values())) > CLOSE:
        raise SystemExit(f"validation accuracies more than {CLOSE} apart: {means}")
    for name, mean in means.items():
        details[name] = details.get(name, {}) | {"val_accuracy": round(mean, 4)}
    lines.report(
        f"{WHAT}, {arm}",
        seconds,
        details=details,
        workload=task.workload.name,
        batch_size=len(task.rows),
        epochs=task.epochs,
        validation=len(task.held_out),
        **facts,
    )


def make_turns(task: Task, with_keras: bool) -> dict[str, Turn]:
    """What each implementation does in a turn."""
    turns: dict[str, Turn] = {
        "jaxembed": lambda _: lambda: float(run(task).val_accuracy[:, -1].mean())
    }
    if with_keras:
        model = make_keras(task)
        new = partial(make_keras, task)
        turns[KERAS] = lambda draw: partial(fit_keras, task, draw, model, new())
        turns[NEW_KERAS] = lambda draw: lambda: fit_keras(task, draw, new())
    return turns


def time_turn(turn: Turn, draw: int) -> tuple[float, float]:
    """Seconds of its call, and the accuracy."""
    call = turn(draw)
    start = time.perf_counter()
    accuracy = call()
    return time.perf_counter() - start, accuracy


def take_turns(turns: dict[str, Turn], repeats: int) -> dict[str, np.ndarray]:
    """``float[2, repeats]``: seconds and accuracies, the first's once more as AGAIN."""
    turns = turns | {AGAIN: turns["jaxembed"]}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in turns}
    for repeat in range(repeats):
        for name in list(turns)[:: 1 if repeat % 2 == 0 else -1]:
            found[name].append(time_turn(turns[name], repeat))
    return {name: np.transpose(pairs) for name, pairs in found.items()}


if __name__ == "__main__":
    main()
