"""Notebook: epochs and processes of the notebook's first half, against Keras on JAX.

Run:     python -m benchmarks.notebook --data aclImdb_v1.tar.gz
         python -m benchmarks.notebook --processes 0 --batch-sizes 32 256
Prints:  JSON lines of four measurements: epochs in one process, for each workload and
         batch size; and whole processes: from raw reviews without a cache, from raw
         reviews with the caches of an earlier run, and from stored ids with these
         caches. Processes have the sizes of the notebook. jaxembed and Keras take
         turns.

jaxembed caches tokens and compiled programs. The notebook's code in Keras does not:
from raw reviews it counts the words in each run, from ids it reads an .npz file.
A workload VxDxL is a table of V rows of length D and reviews of L ids. A batch is the
reviews of a step.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from benchmarks.harness import options
from benchmarks.harness.lines import AGAIN, Lines
from benchmarks.harness.plan import announce
from benchmarks.harness.turns import Turn, run_process, shuffle_turns, take_turns
from benchmarks.harness.workloads import WORKLOADS, Workload
from benchmarks.peers import keras_notebook
from benchmarks.peers.available import find_peers
from jaxembed import nn, optim, text, train

ACCURACY = (0.72, 0.86)  # allowed validation accuracies; others stop the benchmark
FIRST = WORKLOADS["first"]  # the notebook's first model
EPOCH_S, PROCESS_S = 0.15, 14  # seconds of an epoch and a process, about
Arrays = dict[str, np.ndarray]


def main(argv: list[str] | None = None) -> None:
    """Time epochs, then processes."""
    arguments = make_parser().parse_args(argv)
    with (
        options.open_lines(arguments) as lines,
        tempfile.TemporaryDirectory() as folder,
    ):
        peers = find_peers(arguments.peers, "notebook", lines)
        with_keras, n_names = bool(peers), 2 + len(peers)
        n = len(arguments.workload) * len(arguments.batch_sizes)
        seconds = n_names * n * arguments.epochs * EPOCH_S
        seconds += 3 * n_names * arguments.processes * PROCESS_S
        n += 3 * (arguments.processes > 0)
        announce(lines, arguments, peers, n_measurements=n, seconds=seconds)
        cache = Path(folder) / "cache"
        tokens = text.load_imdb_tokens(arguments.data, cache_dir=cache)
        tokens.check_test()
        for workload in arguments.workload:
            arrays = make_ids(tokens, workload)
            for batch_size in arguments.batch_sizes:
                task = split(arrays, workload, batch_size, arguments.epochs)
                time_epochs(task, with_keras, lines)
        if arguments.processes:
            ids = make_ids(tokens, FIRST)
            np.savez(Path(folder) / "ids.npz", **ids)  # type: ignore[arg-type]
            how = arguments.processes, with_keras, lines
            time_processes(arguments.data, Path(folder), *how)


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the arguments."""
    parser = options.make_parser(
        "notebook",
        __doc__,
        peers=("keras",),
        workloads=("first",),
        large=(),
        seconds=False,
        batch_sizes=(32,),
    )
    add = parser.add_argument
    words = "Source of the reviews: a folder, an archive, or synthetic."
    add("--data", default="synthetic", help=words)
    words = "Number of epochs. The first epoch compiles and is not timed."
    add("--epochs", type=int, default=31, help=words)
    words = "Number of processes to time for each implementation and measurement; 0 to "
    words += "skip the measurements of processes."
    add("--processes", type=int, default=5, help=words)
    return parser


def make_ids(tokens: text.TokenizedCorpus, workload: Workload) -> Arrays:
    """Return the padded ids and the labels of both splits."""
    arrays = {"train_labels": tokens.train_labels, "test_labels": tokens.test_labels}
    for part, ranks in (("train", tokens.train), ("test", tokens.test)):
        ids = text.encode_imdb(ranks, workload.rows)
        arrays[part] = text.pad_sequences(ids, maxlen=workload.length)
    return arrays


class Task(NamedTuple):
    """Training with validation."""

    workload: Workload  # sizes of the table and of the texts
    batch_size: int  # number of reviews in a step
    epochs: int  # number of epochs
    ids: np.ndarray  # int32[N, L]
    labels: np.ndarray  # int[N]
    n_train: int  # number of training examples; the rest is for validation


def split(arrays: Arrays, workload: Workload, batch_size: int, epochs: int) -> Task:
    """Shuffle the training reviews, and keep four fifths of them for training."""
    order = np.random.default_rng(0).permutation(len(arrays["train"]))
    ids, labels = arrays["train"][order], arrays["train_labels"][order]
    return Task(workload, batch_size, epochs, ids, labels, int(0.8 * len(ids)))


def fit_ours(task: Task, turn: Turn) -> float:
    """Train as in experiments.imdb_learned; return the best validation accuracy."""
    embed = nn.Embed(task.workload.rows, task.workload.dim)
    n = task.n_train
    _, history = train.fit(
        nn.TextClassifier(embed, nn.DenseHead()),
        (task.ids, task.labels),
        examples=np.arange(n),
        validation=(task.ids[n:], task.labels[n:]),
        tx=optim.rmsprop(),
        table_tx=optim.sparse_rmsprop(),
        epochs=task.epochs,
        batch_size=task.batch_size,
        key=jax.random.key(0),
        on_epoch=lambda _: turn(),
        progress=False,
    )
    return max(history.val_accuracy)


def fit_keras(task: Task, turn: Turn) -> float:
    """Train with Keras; return the best validation accuracy."""
    import keras

    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: turn())
    n = task.n_train
    model = keras_notebook.make_model(task.workload.rows, task.workload.dim)
    history = model.fit(
        task.ids[:n],
        task.labels[:n],
        epochs=task.epochs,
        batch_size=task.batch_size,
        validation_data=(task.ids[n:], task.labels[n:]),
        validation_batch_size=keras_notebook.VALIDATION_BATCH,
        verbose=0,
        callbacks=[watch],
    )
    return max(history.history["val_acc"])


def time_epochs(task: Task, with_keras: bool, lines: Lines) -> None:
    """Time epochs with validation in one process, in turns, except the first epoch."""
    best: dict[str, float] = {}

    def loop(name: str, fit: Callable[[Task, Turn], float]) -> Callable[[Turn], object]:
        return lambda turn: best.update({name: fit(task, turn)})

    loops = {"jaxembed": loop("jaxembed", fit_ours)}
    if with_keras:
        loops["keras"] = loop("keras", fit_keras)
    seconds = take_turns(loops | {AGAIN: loop(AGAIN, fit_ours)})
    check(best)
    lines.report(
        "epoch with validation",
        {name: samples[1:] for name, samples in seconds.items()},
        details={name: {"val_accuracy_best": best[name]} for name in loops},
        workload=task.workload.name,
        batch_size=task.batch_size,
        examples=task.n_train,
    )


def time_processes(
    data: str, folder: Path, repeats: int, with_keras: bool, lines: Lines
) -> None:
    """Time processes of 10 epochs, with imports and compilation, in turns."""
    names = ["jaxembed", *(["keras"] if with_keras else []), AGAIN]
    for what, keras_data, is_second in (
        ("process from raw reviews", data, False),
        ("second process from raw reviews", data, True),
        ("second process from ids", str(folder / "ids.npz"), True),
    ):
        if is_second:  # fills the caches
            run_ours(data, folder, folder / "cache", is_second)
        seconds: dict[str, list[float]] = {name: [] for name in names}
        best: dict[str, float] = {}
        for repeat, name in shuffle_turns(names, repeats):
            cold = folder / f"cold {name} {repeat}"
            cache = folder / "cache" if is_second else cold
            if name == "keras":
                process_s, metrics = run_keras(keras_data, folder)
            else:
                process_s, metrics = run_ours(data, folder, cache, is_second)
            seconds[name].append(process_s)
            best[name] = json.loads(metrics)["val_accuracy_best"]
            if cold.exists():
                shutil.rmtree(cold)
        check(best)
        details = {name: {"val_accuracy_best": best[name]} for name in names[:-1]}
        where = {"workload": FIRST.name, "batch_size": keras_notebook.BATCH_SIZE}
        lines.report(what, seconds, details=details, data=Path(data).name, **where)


def run_ours(
    data: str, folder: Path, cache: Path, compilation_cache: bool
) -> tuple[float, str]:
    """Run experiments.imdb_learned; return its seconds and its metrics as JSON."""
    command = [sys.executable, "-m", "experiments.imdb_learned", "--data", data]
    command += ["--out", str(folder / "ours"), "--cache", str(cache)]
    if not compilation_cache:
        command.append("--no-compilation-cache")
    seconds, _ = run_process(command)
    return seconds, (folder / "ours" / "metrics.json").read_text()


def run_keras(data: str, folder: Path) -> tuple[float, str]:
    """Run the notebook's model in Keras; return its seconds and its metrics as JSON."""
    command = [sys.executable, "-m", "benchmarks.peers.keras_notebook", data]
    seconds, printed = run_process([*command, str(folder), "0"])
    return seconds, printed.splitlines()[-1]


def check(best: dict[str, float]) -> None:
    """Stop unless each validation accuracy is in the allowed range."""
    low, high = ACCURACY
    if not all(low < accuracy < high for accuracy in best.values()):
        raise SystemExit(
            f"Validation accuracies must be between {low} and {high}, got {best}: "
            "nothing is reported."
        )


if __name__ == "__main__":
    main()
