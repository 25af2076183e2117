"""Resume: saves of unfinished and finished training in the folder of the results."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from experiments import _cli, _process, _results
from jaxembed import train

# Settings that do not affect the training, or that the name of its save contains.
ASIDE = {"out", "cache", "compilation_cache", "arms", "memory_gib"}
ASIDE |= {"devices", "draws", "n_train", "sizes", "large", "draws_large"}


def save_path(config: _cli.Options, name: str, ending: str = "") -> Path:
    """Return the path of the save of a training, which differs between settings.

    Args:
      config: Settings of the experiment. Those in ``ASIDE`` are left out, so `name`
        must contain the ones that affect the training.
      name: Name of the training.
      ending: Ending of the name of a file, with its dot.

    Returns:
      A path in ``unfinished`` that also differs between versions of the packages.
    """
    settings = _results.as_json(config)
    kept = {name: settings[name] for name in sorted(settings.keys() - ASIDE)}
    kept["versions"] = {package: version(package) for package in _results.PACKAGES}
    digest = hashlib.sha256(json.dumps(kept).encode()).hexdigest()[:12]
    return config.out / "unfinished" / f"{name}-{digest}{ending}"


def begin(path: Path) -> None:
    """Take a finished save up again, and print whether the training is resumed."""
    finished = path.parent.with_name("finished") / path.name
    if finished.exists() and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(finished, path)
        # `finish` moves it back there, where the user finds it after the run.
        print(f"trained before: {finished}; to train again, remove it", flush=True)
    elif _process.holds_save(path):
        print(f"resuming from {path}; to train again, remove it", flush=True)


def finish(paths: Iterable[Path]) -> None:
    """Move saves to the folder ``finished``, in place of those of earlier results.

    The same command then reports its results without training. Unfinished saves of
    other settings stay.
    """
    for unfinished in {path.parent for path in paths}:
        finished = unfinished.with_name("finished")
        shutil.rmtree(finished, ignore_errors=True)
        finished.mkdir(parents=True)
        for path in paths:
            if path.exists():
                os.replace(path, finished / path.name)
        for folder in (finished, unfinished):
            with contextlib.suppress(OSError):  # keeps a folder with other saves
                folder.rmdir()


def fit(
    model: Any,
    data: train.Examples,
    *,
    save: Path,
    epochs: int,
    **settings: Any,
) -> tuple[train.TrainState, train.History]:
    """Train as :func:`jaxembed.train.fit` does, and print each epoch.

    The run is saved at `save` until :func:`finish` moves it. A signal ends the process
    after the epoch; the same command resumes.

    Args:
      model: Model to train.
      data: Ids and labels.
      save: Result of :func:`save_path`.
      epochs: Number of epochs of the whole run.
      **settings: Further arguments of ``fit``.
    """
    begin(save)
    trained = []

    def on_epoch(history: train.History) -> None:
        trained.append(len(history))
        _results.print_epoch(history, epochs)

    with _process.training(save):
        state, history = train.fit(
            model,
            data,
            epochs=epochs,
            checkpoint=save,
            stop=_process.is_interrupted,
            on_epoch=on_epoch,
            **settings,
        )
    if not trained:
        print(f"all {len(history)} epochs were trained before")
    return state, history
