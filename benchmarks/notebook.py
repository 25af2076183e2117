"""The notebook's first half against Keras 3 on JAX: a steady epoch, a whole process.

Run:     python -m benchmarks.notebook --data aclImdb_v1.tar.gz
Prints:  JSON lines: the epochs of one process, in turns; whole processes, in turns,
         from raw reviews with nothing cached, and from ids made before.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from benchmarks import _keras_notebook as keras_notebook
from benchmarks import _timing
from jaxembed import nn, optim, text, train

ACCURACY = (0.72, 0.86)  # of both; outside of it nothing is reported
Arrays = dict[str, np.ndarray]


def main(argv: list[str] | None = None) -> None:
    """Times epochs, then processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--epochs", type=int, default=31)
    parser.add_argument("--processes", type=int, default=5)
    arguments = parser.parse_args(argv)
    try:
        import keras  # noqa: F401
    except ImportError:
        raise SystemExit("keras is missing: pip install jaxembed[bench]") from None
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        arrays = make_ids(arguments.data, cache)
        time_epochs(arrays, arguments.epochs)
        np.savez(Path(folder) / "ids.npz", **arrays)  # type: ignore[arg-type]
        if arguments.processes:
            time_processes(arguments.data, Path(folder), arguments.processes)


def make_ids(data: str, cache: Path) -> Arrays:
    """The padded ids that both train on."""
    tokens = text.load_imdb_tokens(data, cache_dir=cache)
    arrays = {"train_labels": tokens.train_labels, "test_labels": tokens.test_labels}
    for part, ranks in (("train", tokens.train), ("test", tokens.test)):
        ids = text.encode_imdb(ranks, keras_notebook.NUM_WORDS)
        arrays[part] = text.pad_sequences(ids, maxlen=keras_notebook.LENGTH)
    return arrays


def time_epochs(arrays: Arrays, epochs: int) -> None:
    """Epochs with validation in one process, in turns, the first left out."""
    order = np.random.default_rng(0).permutation(len(arrays["train"]))
    ids, labels = arrays["train"][order], arrays["train_labels"][order]
    n = int(0.8 * len(ids))
    best: dict[str, float] = {}

    def ours(turn: Callable[[], None]) -> None:
        embed = nn.Embed(keras_notebook.NUM_WORDS, keras_notebook.DIM)
        _, history = train.fit(
            nn.TextClassifier(embed, nn.FlattenDense()),
            (ids, labels),
            rows=np.arange(n),
            validation=(ids[n:], labels[n:]),
            tx=optim.rmsprop(),
            epochs=epochs,
            batch_size=keras_notebook.BATCH_SIZE,
            key=jax.random.key(0),
            on_epoch=lambda _: turn(),
        )
        best["jaxembed"] = max(history.val_accuracy)

    def theirs(turn: Callable[[], None]) -> None:
        import keras

        watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: turn())
        history = keras_notebook.make_model().fit(
            ids[:n],
            labels[:n],
            epochs=epochs,
            batch_size=keras_notebook.BATCH_SIZE,
            validation_data=(ids[n:], labels[n:]),
            verbose=0,
            callbacks=[watch],
        )
        best["keras"] = max(history.history["val_acc"])

    seconds = _timing.take_turns({"jaxembed": ours, "keras": theirs})
    check(best)
    steady = {name: samples[1:] for name, samples in seconds.items()}
    _timing.report("epoch with validation", steady, examples=n, best=best)


def time_processes(data: str, folder: Path, repeats: int) -> None:
    """Whole processes of 10 epochs, imports and compilation included, in turns."""
    python = [sys.executable, "-m"]
    for what, keras_data, is_cached in (
        ("process from raw reviews", data, False),
        ("process from ids", str(folder / "ids.npz"), True),
    ):
        ours = [*python, "experiments.imdb_learned", "--data", data]
        ours += ["--out", str(folder / "ours"), "--cache"]
        theirs = [*python, "benchmarks._keras_notebook", keras_data, str(folder), "0"]
        seconds: dict[str, list[float]] = {"jaxembed": [], "keras": []}
        for repeat in range(repeats):
            cache = "cache" if is_cached else f"cold{repeat}"
            start = time.perf_counter()
            run([*ours, str(folder / cache)])
            middle = time.perf_counter()
            line = run(theirs).splitlines()[-1]
            seconds["keras"].append(time.perf_counter() - middle)
            seconds["jaxembed"].append(middle - start)
        metrics = json.loads((folder / "ours" / "metrics.json").read_text())
        best = {
            "jaxembed": metrics["val_accuracy_best"],
            "keras": json.loads(line)["val_accuracy_best"],
        }
        check(best)
        _timing.report(what, seconds, best=best)


def run(command: list[str]) -> str:
    """What a process prints; if it fails, so does this one, with its words."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def check(best: dict[str, float]) -> None:
    """Fails if one of the two has not learned what it should."""
    low, high = ACCURACY
    if not all(low < accuracy < high for accuracy in best.values()):
        raise SystemExit(f"validation accuracies outside of {ACCURACY}: {best}")


if __name__ == "__main__":
    main()
