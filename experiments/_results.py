"""Results of an experiment: atomic files, and weights that are tested from disk."""

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

from experiments import _cli
from jaxembed import nn, plot, train

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


def begin(experiment: str, sources: str, out: Path) -> None:
    """Print the first line, and check that the results can be written.

    Args:
      experiment: Name of the experiment.
      sources: Description of the data and vectors in use.
      out: Folder for the results; it is created.

    Raises:
      OSError: If the folder cannot be written; the error names it.
    """
    print(f"{experiment} on {sources}", flush=True)
    probe = out / f".probe.{os.getpid()}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OSError(
            f"--out {out} cannot be written: {error.strerror}. Name another folder."
        ) from error


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
    title: str,
    test: train.Examples,
    extra: dict[str, Any],
) -> dict[str, Any]:
    """Plot the curves, save the weights, and test the weights read back from disk.

    Args:
      model: Trained model.
      state: State returned by :func:`jaxembed.train.fit`.
      history: History returned by :func:`jaxembed.train.fit`.
      config: Settings of the run, saved with the weights, and the folder for both.
      title: Title of the plot.
      test: Ids and labels of the test examples.
      extra: Further JSON to save with the weights.

    Returns:
      Entries of ``metrics.json``: the settings, parameter counts, names of the
      row-sparse tables, and metrics.
    """
    plot.curves(history, config.out / "curves.png", title)
    folder, settings = config.out / "checkpoint", as_json(config)
    train.save(folder, state, {"config": settings} | extra, overwrite=True)
    restored, _ = train.restore(folder, like=state)
    accuracy = train.evaluate(model, restored.variables, *test)["accuracy"]
    summary = nn.summary(model, restored.variables, np.asarray(test[0])[:1])
    best, final = max(history.val_accuracy, default=None), None
    if best is not None:
        final = history.val_accuracy[-1]
        print(f"validation accuracy {best:.4f} at best, {final:.4f} at the end")
    print(f"test accuracy {accuracy:.4f} with the weights read from {folder}")
    counts = {name: getattr(summary, name) for name in ("total", "trainable", "frozen")}
    return {
        "config": settings,
        "n_params": counts,
        "row_sparse_tables": sorted(flatten_dict(state.tables, sep=".")),
        "history": history.metrics(),
        "val_accuracy_best": best,
        "val_accuracy_final": final,
        "test_accuracy": accuracy,
    }


def write_metrics(out: Path, experiment: str, result: dict[str, Any]) -> None:
    """Write ``metrics.json``, and print the names of the results.

    Args:
      out: Folder for the results.
      experiment: Name of the experiment.
      result: Entries of the file, in addition to those of :func:`environment`.
    """
    path = out / "metrics.json"
    write_json(path, {"experiment": experiment} | result | environment())
    pictures = sorted(picture.name for picture in out.glob("*.png"))
    print(" and ".join([f"results: {path}", *pictures]), flush=True)


def environment() -> dict[str, Any]:
    """Return the device and the versions in use."""
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
    """Convert settings and statistics to what JSON can hold.

    A dataclass becomes a flat dict, with the fields of nested dataclasses in it.

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
    if hasattr(value, "to_dict"):  # an interval or a crossover, which is a tuple too
        return value.to_dict()
    if isinstance(value, dict):
        return {name: as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def write_json(path: Path, value: Any) -> None:
    """Replace a file by `value` as JSON."""
    _replace(path, json.dumps(as_json(value), indent=2, default=str) + "\n")


def write_csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Replace a file by a header and rows of comma-separated values."""
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
