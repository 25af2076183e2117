"""Three tables on 200 reviews, a hundred times: which is better, and how sure is it.

Notebook:  beyond section 2, which has one draw of 200 reviews and no interval.
Run:       python -m experiments.replicates --data aclImdb_v1.tar.gz
           --vectors glove.6B.zip/glove.6B.100d.txt
Expect:    at the best epochs frozen 0.559, learned 0.527, fine-tuned 0.560; frozen -
           learned 0.032 (0.030 to 0.035); on two CPU cores 3 minutes
Writes:    runs/replicates/{metrics.json,replicates.csv,replicates.png}

Word vectors that stay as they are (frozen), a table learned from nothing (learned) and
vectors that are trained with the rest (fine-tuned), on the same draws and from the same
head. The best epoch is picked on the reviews it is measured on, so it flatters all arms
a little; the last epoch does not. An interrupted run goes on where it was.
"""

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments import _arms, _files, _run
from jaxembed import plot, replicates, stats

DRAWS, DRAWS_EMBEDDED = 100, 64  # the latter takes two minutes on two CPU cores
SHARE = 0.4
COLUMNS = ("arm", "draw", "epoch", "loss", "accuracy", "val_loss", "val_accuracy")
PAIRS = (("frozen", "learned"), ("fine-tuned", "frozen"), ("fine-tuned", "learned"))

Runs = dict[_arms.Arm, replicates.Histories]
Numbers = dict[_arms.Arm, dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_arms.Config):
    """Many draws of one size."""

    draws: int | None = None
    """Draws of reviews, with other initial weights each; by default 100, or 64 of the
    embedded reviews."""
    n_train: int = 200
    """Reviews in a draw."""
    n_validation: int | None = None
    """Reviews that no draw trains on, the same for all; by default two fifths, which
    are 10,000 of IMDB's 25,000."""

    def list_sizes(self) -> list[int]:
        """The one size of all draws."""
        return [self.n_train]


def run(config: Config) -> dict[str, Any]:
    """Trains all arms on all draws, and says how they differ."""
    assert config.out is not None  # main fills it in
    draws = count_draws(config)
    # reviews -> words -> ids of shared data, and a table
    start = time.perf_counter()
    reviews = _arms.load(config, SHARE, config.n_train)
    load = time.perf_counter() - start
    # draws -> histories
    runs: Runs = {}
    for arm in config.arms:
        runs[arm] = _arms.run_arm(config, reviews, arm, config.n_train, draws)
        compiling, running = (runs[arm].seconds[part] for part in ("compile", "run"))
        print(
            f"{arm}: {compiling:.1f} s to compile, {running:.1f} s to run", flush=True
        )
    # histories -> numbers, a table, a picture
    numbers = pick_epochs(runs)
    _files.write_csv(config.out / "replicates.csv", COLUMNS, list_rows(runs))
    arms, differences = summarize(numbers), compare(numbers)
    print_tables(arms, differences)
    curves = {arm: histories.val_accuracy for arm, histories in runs.items()}
    title = f"{config.title(reviews.description)}; {draws} x {config.n_train} reviews"
    path = config.out / "replicates.png"
    plot.replicates(curves, path, title, chance=_arms.CHANCE)
    return {
        "data": reviews.description,
        "config": _run.as_json(config) | {"draws": draws},
        "arms": _arms.as_dicts(arms),
        "differences": _arms.as_dicts(differences),
        "n_parallel": {arm: histories.n_parallel for arm, histories in runs.items()},
        "seconds": {"load": load} | {arm: runs[arm].seconds for arm in runs},
    } | reviews.facts


def count_draws(config: Config) -> int:
    """How many draws are meant."""
    if config.draws is None:
        return DRAWS_EMBEDDED if config.data == "embedded" else DRAWS
    if config.draws < 1:
        raise ValueError(f"--draws must be at least 1, got {config.draws}.")
    return config.draws


def list_rows(runs: Runs) -> Iterator[tuple[Any, ...]]:
    """The rows of ``replicates.csv``: one for each arm, draw and epoch."""
    for arm, histories in runs.items():
        metrics = [getattr(histories, name) for name in COLUMNS[3:]]
        for draw, epoch in np.ndindex(histories.loss.shape):
            values = (metric[draw, epoch].item() for metric in metrics)
            yield arm, draw, epoch + 1, *values


def pick_epochs(runs: Runs) -> Numbers:
    """The accuracies of each draw at its best epoch and at the last one."""
    return {
        arm: {
            "val_accuracy_best": stats.best_epoch(histories.val_accuracy)[0],
            "val_accuracy_final": stats.final_epoch(histories.val_accuracy),
            "accuracy_final": stats.final_epoch(histories.accuracy),
        }
        for arm, histories in runs.items()
    }


def summarize(numbers: Numbers) -> dict[str, Any]:
    """Mean and median of each arm, with their intervals."""
    return {
        arm: {
            name: {
                "mean": stats.mean_interval(values),
                "median": stats.median_interval(values),
            }
            for name, values in metrics.items()
        }
        for arm, metrics in numbers.items()
    }


def compare(numbers: Numbers) -> dict[str, Any]:
    """The paired difference of every two arms, and how often the first is better."""
    differences: dict[str, Any] = {}
    for first, second in PAIRS:
        if first in numbers and second in numbers:
            differences[f"{first} - {second}"] = {
                name: {
                    "mean": stats.paired_difference(
                        a := numbers[first][name], b := numbers[second][name]
                    ),
                    "share_better": float(np.mean(a > b)),
                }
                for name in _arms.EPOCHS
            }
    return differences


def print_tables(arms: dict[str, Any], differences: dict[str, Any]) -> None:
    """Prints the accuracies and their differences, best and last epoch apart."""
    for name, when in _arms.EPOCHS.items():
        print(f"\nvalidation accuracy {when}")
        print(f"  {'':<24}{'mean (95 % interval)':<30}median (95 % interval)")
        for arm, metrics in arms.items():
            mean, median = metrics[name]["mean"], metrics[name]["median"]
            print(f"  {arm:<24}{mean!s:<30}{median}")
        if differences:
            print(f"  {'of the same draws':<24}{'mean (95 % interval)':<30}above 0")
        for pair, metrics in differences.items():
            mean, share = metrics[name]["mean"], metrics[name]["share_better"]
            print(f"  {pair:<24}{mean!s:<30}{share:.0%} of draws")
    print("\ntraining accuracy at the last epoch")
    for arm, metrics in arms.items():
        print(f"  {arm:<24}{metrics['accuracy_final']['mean']}")
    print(flush=True)


if __name__ == "__main__":
    _run.main(Config, run)
