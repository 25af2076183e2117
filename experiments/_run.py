"""What experiments share: their flags, their data, and how results are written."""

import dataclasses
import gc
import json
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from experiments import _files
from jaxembed import nn, plot, train

REVIEWS = ("aclImdb", "aclImdb_v1.tar.gz")  # looked for in $JAXEMBED_DATA
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The flags that every experiment takes."""

    data: str = ""
    """Reviews: a folder or .tar.gz like aclImdb, "tfds" or "embedded". By default what
    lies in the folder $JAXEMBED_DATA, else "embedded"."""
    out: Path | None = None
    """Folder for the results, runs/NAME by default."""
    cache: Path = Path("runs/cache")
    """Folder where tokenised reviews are kept."""
    seed: int = 0
    """Of the split, the initial weights and the order of the reviews."""

    def chosen(self) -> "Options":
        """The same, with the data that is meant where no flag says it."""
        return dataclasses.replace(self, data=choose_data(self.data))

    def sources(self) -> str:
        """What the first line says is used."""
        note = " (SYNTHETIC reviews, no real text)" if self.data == "embedded" else ""
        return self.data + note

    def finish(self) -> None:
        """Called when all results are written."""

    def title(self, description: str) -> str:
        """The line above a picture, from the description of the data."""
        return description


def main(config_type: type, run: Callable[[Any], dict[str, Any]]) -> None:
    """Reads the flags of an experiment, runs it, and writes its ``metrics.json``.

    Bad input ends it with one line that says what to do.

    Args:
      config_type: a frozen dataclass derived from :class:`Options`.
      run: called with an instance of it, ``data`` and ``out`` filled in; returns what
        ``metrics.json`` says besides what :func:`environment` says.
    """
    import tyro

    gc.freeze()  # modules are no garbage; looking through them takes half a second
    module = sys.modules["__main__"]
    name = Path(str(module.__file__)).stem
    config: Any = tyro.cli(config_type, description=module.__doc__)
    out = Path("runs", name) if config.out is None else config.out
    config = dataclasses.replace(config.chosen(), out=out)
    print(f"{name} on {config.sources()}", flush=True)
    try:
        _files.check_writable(config.out)
        result = {"experiment": name} | run(config) | environment()
        _files.write_json(config.out / "metrics.json", result)
        config.finish()
    except (OSError, TypeError, ValueError, KeyError, ArithmeticError) as error:
        if os.environ.get("JAXEMBED_TRACEBACK"):
            raise
        what = error.args[0] if isinstance(error, KeyError) else error
        sys.exit(f"error: {what}\n(JAXEMBED_TRACEBACK=1 shows where)")
    pictures = sorted(path.name for path in config.out.glob("*.png"))
    print(" and ".join([f"results: {config.out}/metrics.json", *pictures]), flush=True)


def choose_data(data: str) -> str:
    """What ``--data`` names, else what lies in ``$JAXEMBED_DATA``, else "embedded"."""
    if data:
        return data
    folder = os.environ.get("JAXEMBED_DATA")
    if not folder:
        return "embedded"
    for name in REVIEWS:
        if (Path(folder) / name).exists():
            return str(Path(folder) / name)
    sys.exit(f"error: JAXEMBED_DATA={folder} has neither {' nor '.join(REVIEWS)}.")


def environment() -> dict[str, Any]:
    """The device and the versions that a result was made with."""
    import jax

    import jaxembed

    device = jax.devices()[0]
    versions = {name: version(name) for name in PACKAGES}
    return {
        "device": f"{device.platform} {device.device_kind} x {jax.device_count()}",
        "versions": {
            "jaxembed": jaxembed.__version__,
            "python": platform.python_version(),
            **versions,
        },
    }


def as_json(config: Options) -> dict[str, Any]:
    """The settings of a run as JSON has them."""
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def split(n: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers below ``n`` in a random order, in two parts.

    Args:
      n: how many examples there are.
      fraction: of them in the second part, which is held out.
      seed: of the order.

    Raises:
      ValueError: if a part would be empty.
    """
    n_held_out = int(fraction * n)
    if not 0 < n_held_out < n:
        raise ValueError(
            f"--validation-fraction must leave some of the {n} reviews on each side, "
            f"got {fraction}."
        )
    order = np.random.default_rng(seed).permutation(n)
    return order[: n - n_held_out], order[n - n_held_out :]


def draw(
    n: int, n_train: int, n_validation: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Some of the numbers below ``n`` to train on, and others to validate on.

    Args:
      n: how many reviews there are.
      n_train: how many of them to train on.
      n_validation: how many others; all others if there are fewer, which is printed.
      seed: of the draw.

    Raises:
      ValueError: if there is none for one of the two.
    """
    if not (1 <= n_train < n and n_validation >= 1):
        raise ValueError(
            "--n-train and --n-validation must be at least 1 and leave some of the "
            f"{n} reviews for each other, got {n_train} and {n_validation}."
        )
    order = np.random.default_rng(seed).permutation(n)
    held_out = order[n_train : n_train + n_validation]
    if len(held_out) < n_validation:
        print(f"validation on the {len(held_out)} other reviews, all that there are")
    return order[:n_train], held_out


def print_epoch(history: train.History, epochs: int) -> None:
    """Prints the last epoch of a history as a line."""
    metrics = history.metrics().items()
    numbers = "  ".join(f"{name} {values[-1]:.4f}" for name, values in metrics)
    # Past the bar, if there is one, and not through it.
    tqdm.write(f"epoch {len(history):>2}/{epochs}  {numbers}")


def finish(
    config: Options,
    description: str,
    model: Any,
    run: tuple[train.TrainState, train.History],
    test: train.Examples,
    extra: dict[str, Any],
) -> dict[str, Any]:
    """Draws the curves, saves the weights, and tests what was saved.

    Args:
      config: of the run; it is saved with the weights.
      description: of the data.
      model: that was trained.
      run: what :func:`jaxembed.train.fit` returned.
      test: ids and labels that took no part in it.
      extra: what else is saved with the weights, as JSON.

    Returns:
      Its part of ``metrics.json``.
    """
    assert config.out is not None  # main fills it in
    state, history = run
    plot.curves(history, config.out / "curves.png", config.title(description))
    settings = as_json(config)
    folder = config.out / "checkpoint"
    train.save(folder, state, {"config": settings} | extra, overwrite=True)
    restored, _ = train.restore(folder, like=state)  # from here on, what is on disk
    accuracy = train.evaluate(model, restored.variables, *test)["accuracy"]
    summary = nn.summary(model, restored.variables, np.asarray(test[0])[:1])
    best, final = max(history.val_accuracy, default=None), None
    if best is not None:  # some reviews were held out
        final = history.val_accuracy[-1]
        print(f"validation accuracy {best:.4f} at best, {final:.4f} at the end")
    print(f"test accuracy {accuracy:.4f} with the weights read from {folder}")
    return {
        "data": description,
        "config": settings,
        "n_params": {
            "total": summary.total,
            "trainable": summary.trainable,
            "frozen": summary.frozen,
        },
        "history": history.metrics(),
        "val_accuracy_best": best,
        "val_accuracy_final": final,
        "test_accuracy": accuracy,
    }
