"""A replicate of the notebook's second half, against one fit of it in Keras 3 on JAX.

Run:     python -m benchmarks.replicates --data aclImdb_v1.tar.gz \
             --vectors glove.6B.zip/glove.6B.100d.txt
Prints:  JSON lines, for vectors that are frozen and for learned ones: seconds for each
         replicate, of some in one call, and for each ``fit``, in turns. Compilation is
         apart for jaxembed, which compiles once; a ``fit`` of a new Keras model has it.

A workload is the table and the length of a text, and a batch is of draws, each of 200
reviews, that are trained in one call; ``chunk`` is how many of them went side by side.
"""

import argparse
import time
from collections.abc import Iterator
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
                measure(arm, task, "keras" in peers, arguments.repeats, lines)


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


def fit_keras(task: Task, draw: int) -> float:
    """Trains a new Keras model on one draw; its last validation accuracy."""
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


def measure(arm: str, task: Task, with_keras: bool, repeats: int, lines: Lines) -> None:
    """Times replicates and fits in turns, and prints their lines."""
    histories = run(task)
    check(task, histories)
    means = {"jaxembed": float(histories.val_accuracy[:, -1].mean())}
    details: dict[str, dict[str, Any]] = {"jaxembed": {"chunk": histories.chunk}}
    details["jaxembed"]["compile_s"] = round(histories.seconds["compile"], 4)
    details["jaxembed"]["own_peak_bytes"] = find_peak()  # before there is Keras's
    seconds, accuracies = take_turns(task, with_keras, repeats)
    if with_keras:
        means["keras"] = float(np.mean(accuracies))
    if max(means.values()) - min(means.values()) > CLOSE:
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
    )


def take_turns(
    task: Task, with_keras: bool, repeats: int
) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds of each replicate and of each fit, and the fits' accuracies."""
    seconds: dict[str, list[float]] = {"jaxembed": []}
    if with_keras:
        seconds["keras"] = []
        fit_keras(task, 0)  # to warm up
    seconds[AGAIN] = []
    accuracies = []
    for repeat in range(repeats):
        for name in list(seconds)[:: 1 if repeat % 2 == 0 else -1]:
            if name == "keras":
                start = time.perf_counter()
                accuracies.append(fit_keras(task, repeat))
                seconds[name].append(time.perf_counter() - start)
            else:
                seconds[name].append(run(task).seconds["run"] / len(task.rows))
    return seconds, accuracies


if __name__ == "__main__":
    main()
