"""Results: files of an experiment, and a test of the weights read back from disk."""

import csv
import dataclasses
import io
import json
import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict
from tqdm import tqdm

from experiments import _cli, _reviews
from jaxembed import nn, plot, train

NO_TEST = """\
These reviews have no test part. The archive from ai.stanford.edu/~amaas/data/sentiment
gives the test accuracy: python -m experiments.{command} --data aclImdb_v1.tar.gz"""
SUFFIXES = (".csv", ".png")  # of files of results
FOLDERS = ("checkpoint", "ngrams")  # of results
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


def begin(experiment: str, facts: str, out: Path) -> None:
    """Print the first line, and check that the results can be written.

    Args:
      experiment: Name of the experiment.
      facts: Data, vectors and seed in use.
      out: Folder for the results; it is created.

    Raises:
      OSError: If the folder cannot be written; the error names it.
    """
    print(f"{experiment}: {facts}", flush=True)
    probe = out / f".probe.{os.getpid()}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OSError(
            f"--out {out} cannot be written: {error.strerror}. Name another folder."
        ) from error


def make_title(model: str, config: _cli.Options) -> str:
    """Return the title of a plot: model, data and seed."""
    return f"{model}; {_reviews.shorten(config.data)}; seed {config.seed}"


def print_epoch(history: train.History, epochs: int) -> None:
    """Print the metrics of the last epoch of `history` in one line."""
    metrics = history.metrics().items()
    numbers = "  ".join(f"{name} {values[-1]:.4f}" for name, values in metrics)
    tqdm.write(f"epoch {len(history):>2}/{epochs}  {numbers}")  # above a progress bar


def save_and_test(
    model: Any,
    state: train.TrainState,
    history: train.History,
    *,
    config: _cli.Options,
    command: str,
    title: str,
    held_out: train.Examples | None,
    test: train.Examples,
    extra: dict[str, Any],
    mesh: Any = None,
) -> dict[str, Any]:
    """Plot the curves, save the weights, and test the weights read back from disk.

    Without test examples, the restored weights are measured on the validation examples.

    Args:
      model: Trained model.
      state: State returned by :func:`jaxembed.train.fit`.
      history: History returned by :func:`jaxembed.train.fit`.
      config: Settings of the run, saved with the weights, and the folder for both.
      command: Name of the experiment, with flags for a run with test reviews.
      title: Title of the plot.
      held_out: Ids and labels of the validation examples, or None.
      test: Ids and labels of the test examples; empty if the source has none.
      extra: Further JSON to save with the weights.
      mesh: Mesh over which the rows of the tables are spread; None for one device.

    Returns:
      Entries of ``metrics.json``: the settings, parameter counts, names of the
      row-sparse tables, and metrics.
    """
    plot.curves(history, config.out / "curves.png", title, chance=_reviews.CHANCE)
    folder, settings = config.out / "checkpoint", as_json(config)
    train.save(folder, state, {"config": settings} | extra, overwrite=True)
    restored, _ = train.restore(folder)  # in word order, also from a mesh
    has_test = len(np.asarray(test[1])) > 0
    examples = test if has_test or held_out is None else held_out
    found = train.evaluate(model, restored.variables, *examples, mesh=mesh)
    accuracy = found["accuracy"]
    summary = nn.summary(model, restored.variables, np.asarray(examples[0])[:1])
    best, final = max(history.val_accuracy, default=None), None
    if best is not None:
        final = history.val_accuracy[-1]
        print(f"validation accuracy: best epoch {best:.4f}, last epoch {final:.4f}")
    part = "test" if has_test else "validation"
    print(f"{part} accuracy: {accuracy:.4f} (weights read back from {folder})")
    if not has_test:
        print(NO_TEST.format(command=command))
    counts = {name: getattr(summary, name) for name in ("total", "trainable", "frozen")}
    return {
        "config": settings,
        "n_params": counts,
        "row_sparse_tables": sorted(flatten_dict(state.tables, sep=".")),
        "history": history.metrics(),
        "val_accuracy_best": best,
        "val_accuracy_final": final,
        "test_accuracy": accuracy if has_test else None,
    }


def write_test(
    out: Path,
    model: Any,
    variables: Any,
    test: train.Examples,
    copies: np.ndarray,
    *,
    mesh: Any = None,
) -> dict[str, Any]:
    """Write the logit of each test review, and test without copies.

    Args:
      out: Folder for the file ``test.csv``.
      model: Trained model.
      variables: Parameters of the model.
      test: Ids and labels of the test reviews; without test reviews no file is written.
      copies: ``bool[M]``, True for a test review that is also a training review.
      mesh: Mesh over which the rows of the tables are spread; None for one device.

    Returns:
      Entries of ``metrics.json``.
    """
    if not len(copies):
        return {}
    logits = train.predict(model, variables, test[0], mesh=mesh)
    labels = np.asarray(test[1])
    is_correct = (np.asarray(logits) > 0) == labels
    rows = zip(labels, np.asarray(logits), copies, strict=True)
    columns = ((int(label), f"{logit:.6g}", int(copy)) for label, logit, copy in rows)
    write_csv(out / "test.csv", ("label", "logit", "is_copy"), columns)
    accuracy = float(is_correct[~copies].mean())
    if copies.any():
        print(
            f"test accuracy without {copies.sum()} test reviews that are also training "
            f"reviews: {accuracy:.4f}"
        )
    return {
        "n_test_copies": int(copies.sum()),
        "test_accuracy_without_copies": accuracy,
    }


def write_metrics(out: Path, experiment: str, result: dict[str, Any]) -> None:
    """Write ``metrics.json``, and print where the results are.

    Args:
      out: Folder for the results.
      experiment: Name of the experiment.
      result: Entries of the file, in addition to those of :func:`environment`.
    """
    facts = {"experiment": experiment} | result | environment()
    write_json(out / "metrics.json", facts)
    files = sorted(path.name for path in out.iterdir() if path.suffix in SUFFIXES)
    folders = [f"{name}/" for name in FOLDERS if (out / name).is_dir()]
    names = ", ".join(["metrics.json", *files, *folders])
    print(f"results in {out}: {names}", flush=True)


def environment() -> dict[str, Any]:
    """Return the device and the versions of the packages."""
    import jax

    import jaxembed

    device = jax.devices()[0]
    versions = {name: version(name) for name in PACKAGES}
    versions |= {"jaxembed": jaxembed.__version__, "python": platform.python_version()}
    return {
        "device": f"{device.platform} {device.device_kind} x {jax.device_count()}",
        "versions": versions,
    }


def as_json(value: Any) -> Any:
    """Convert settings and statistics to values that JSON can hold.

    A dataclass becomes a flat dict that includes the fields of nested dataclasses.

    Example:
      >>> @dataclasses.dataclass
      ... class Inner:
      ...     epochs: int = 10
      >>> @dataclasses.dataclass
      ... class Outer:
      ...     out: Path
      ...     inner: Inner
      >>> as_json({"config": Outer(Path("runs"), Inner())})
      {'config': {'out': 'runs', 'epochs': 10}}
    """
    if dataclasses.is_dataclass(value):
        flat: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            part = getattr(value, field.name)
            is_nested = dataclasses.is_dataclass(part)
            flat |= as_json(part) if is_nested else {field.name: as_json(part)}
        return flat
    if hasattr(value, "to_dict"):  # an interval or a crossover; they are tuples
        return value.to_dict()
    if isinstance(value, dict):
        return {name: as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def write_json(path: Path, value: Any) -> None:
    """Write `value` to a file as JSON; replace the file in one step."""
    _replace(path, json.dumps(as_json(value), indent=2, default=str) + "\n")


def write_csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a header and rows to a CSV file; replace the file in one step."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    _replace(path, text.getvalue())


def _replace(path: Path, text: str) -> None:
    """Write a temporary file in the same folder, then rename it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, newline="")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
