"""A replicate of the notebook's second half, against one fit of it in Keras 3 on JAX.

Run:     python -m benchmarks.replicates --data aclImdb_v1.tar.gz
         --vectors glove.6B.zip/glove.6B.100d.txt
Prints:  JSON lines, for vectors that are frozen and for learned ones: seconds for each
         replicate, of some side by side, and for each ``fit``, in turns. Compilation is
         apart for jaxembed, which compiles once; a ``fit`` of a new Keras model has it.
"""

import argparse
import resource
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks import _timing
from jaxembed import nn, optim, text, train, vectors

NUM_WORDS, LENGTH, HIDDEN, N_TRAIN, BATCH_SIZE = 10_000, 100, 32, 200, 32
CLOSE = 0.05  # how far apart the mean validation accuracies of the two may be
KEY = jax.random.key(0)
TX = optim.rmsprop()  # one object, so that one program serves all turns


class Task(NamedTuple):
    """The reviews, and the table of one arm.

    Attributes:
      ids: ``int32[N, L]``.
      labels: ``int[N]``.
      rows: ``int32[K, n]``, the draws.
      held_out: ``int[M]``, the reviews to validate on.
      table: ``float32[V, D]`` of an arm that is frozen; None for one that is learned.
      dim: D.
      epochs: how many.
    """

    ids: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    held_out: np.ndarray
    table: np.ndarray | None
    dim: int
    epochs: int


def main(argv: list[str] | None = None) -> None:
    """Checks, then times both arms."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--vectors", help="by default made from the reviews")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--draws", type=int, default=12, help="in each turn")
    parser.add_argument("--n-validation", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args(argv)
    try:
        import keras  # noqa: F401
    except ImportError:
        raise SystemExit("keras is missing: pip install jaxembed[bench]") from None
    frozen = load(arguments)
    for arm, task in (("frozen", frozen), ("learned", frozen._replace(table=None))):
        measure(arm, task, arguments.repeats)


def load(arguments: argparse.Namespace) -> Task:
    """The arm with frozen vectors."""
    tokens = text.load_imdb_tokens(
        arguments.data, text.Tokenizer(NUM_WORDS), cache_dir=arguments.cache
    )
    words = tokens.tokenizer.word_index
    if arguments.vectors:
        found = vectors.load(arguments.vectors, vocabulary=words)
    else:
        texts = tokens.unlabelled if len(tokens.unlabelled) else tokens.train
        found = vectors.ppmi(texts, tokens.tokenizer, 100)
    table, _ = vectors.embedding_matrix(words, found, NUM_WORDS)
    ids = text.pad_sequences(tokens.train, maxlen=LENGTH)
    order = np.random.default_rng(0).permutation(len(ids))
    held_out, pool = np.split(order, [arguments.n_validation])
    rows = train.draw_rows(KEY, arguments.draws, pool, N_TRAIN)
    dim = table.shape[1]
    return Task(ids, tokens.train_labels, rows, held_out, table, dim, arguments.epochs)


def settings(task: Task) -> tuple[nn.TextClassifier, dict[str, Any]]:
    """Model and arguments that replicates and a single run have in common."""
    embed = nn.Embed(NUM_WORDS, task.dim, frozen=task.table is not None)
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
    for values, expected in zip(found, (alone.loss, alone.val_loss), strict=True):
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def fit_keras(task: Task, draw: int) -> float:
    """Trains a new Keras model on one draw; its last validation accuracy."""
    import keras

    layers = keras.layers
    embed = layers.Embedding(NUM_WORDS, task.dim, trainable=task.table is None)
    hidden = layers.Dense(HIDDEN, activation="relu")
    last = layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([embed, layers.Flatten(), hidden, last])
    model.build((None, LENGTH))
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


def measure(arm: str, task: Task, repeats: int) -> None:
    """Times replicates and fits in turns, and prints their lines."""
    histories = run(task)
    check(task, histories)
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seconds: dict[str, list[float]] = {"jaxembed": [], "keras": []}
    accuracies = [fit_keras(task, 0)]  # to warm up
    for repeat in range(repeats):
        seconds["jaxembed"].append(run(task).seconds["run"] / len(histories))
        start = time.perf_counter()
        accuracies.append(fit_keras(task, repeat))
        seconds["keras"].append(time.perf_counter() - start)
    means = {"jaxembed": float(histories.val_accuracy[:, -1].mean())}
    means["keras"] = float(np.mean(accuracies))
    if abs(means["jaxembed"] - means["keras"]) > CLOSE:
        raise SystemExit(f"validation accuracies more than {CLOSE} apart: {means}")
    facts: dict[str, Any] = {
        "draws": len(histories),
        "chunk": histories.chunk,
        "epochs": task.epochs,
    }
    facts |= {"validation": len(task.held_out), "val_accuracy": means}
    facts |= {"compile_s": histories.seconds["compile"], "peak_gib": peak_gib}
    _timing.report(f"replicate, {arm}", seconds, **facts)


if __name__ == "__main__":
    main()
