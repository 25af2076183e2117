"""Frozen, learned, fine-tuned vectors: 100 draws of 200 reviews.

Notebook:  section 2, repeated on 100 draws; the notebook has one draw of 200 reviews
           and no confidence interval
Run:       python -m experiments.replicates --data aclImdb_v1.tar.gz
           --vectors glove.6B.zip/glove.6B.100d.txt
Expect:    mean validation accuracy at the best epoch: frozen 0.559, learned 0.527,
           fine-tuned 0.560; difference of frozen and learned 0.032 (95 % interval
           0.030 to 0.035); 3 minutes on two CPU cores
Writes:    runs/replicates/{metrics.json, replicates.csv, replicates.png, finished/}

The arm frozen freezes a pre-trained table of word vectors. The arm learned initializes
the table at random and trains it on the reviews of a draw only. The arm fine-tuned
freezes a pre-trained table in the first epochs and then trains it. The draws and the
initial weights of the other layers are the same for every arm.

The best epoch is chosen on the validation reviews, so that its validation accuracy is
slightly too high. The accuracy of the last epoch does not have this bias. The same
command resumes an interrupted run, and reports a finished run without training.
"""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from experiments import _arms, _cli, _draws, _results, _reviews, _vectors
from jaxembed import plot, replicates, stats

DRAWS, DRAWS_SYNTHETIC = (
    100,
    64,
)  # the synthetic draws take two minutes on two CPU cores
SHARE = 0.4
COLUMNS = ("arm", "draw", "epoch", "loss", "accuracy", "val_loss", "val_accuracy")
PAIRS = (("frozen", "learned"), ("fine-tuned", "frozen"), ("fine-tuned", "learned"))

Runs = dict[_arms.Arm, replicates.Histories]
Numbers = dict[_arms.Arm, dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_cli.Options):
    """Many draws of one size.

    Attributes:
      n_train: Number of reviews in a draw.
      draws: Number of draws. Each draw has its own initial weights.
    """

    out: Path = Path("runs/replicates")
    n_train: int = 200
    draws: Annotated[
        int | None,
        _cli.flag("INT", default=f"{DRAWS}; for synthetic reviews {DRAWS_SYNTHETIC}"),
    ] = None
    comparison: _arms.Comparison = _arms.Comparison()


def run(config: Config) -> None:
    """Train all arms on all draws, and compare them."""
    data = _reviews.choose_data(config.data)
    comparison = _arms.choose_vectors(config.comparison, data)
    config = dataclasses.replace(config, data=data, comparison=comparison)
    _arms.begin("replicates", config, comparison)
    draws = count_draws(config)
    # reviews -> words -> ids of shared data, and a table
    start = time.perf_counter()
    n_train = config.n_train
    reviews = _arms.load(config, comparison, share=SHARE, largest=n_train)
    load = time.perf_counter() - start
    # draws -> histories
    runs: Runs = {}
    for arm in comparison.arms:
        runs[arm] = _draws.train_arm(
            config, comparison, reviews, arm, n_train=n_train, n_draws=draws
        )
        compiling, running = (runs[arm].seconds[part] for part in ("compile", "run"))
        print(
            f"{arm}: compiled in {compiling:.1f} s, trained in {running:.1f} s",
            flush=True,
        )
    # histories -> numbers, a table, a picture
    numbers = {arm: _draws.pick_epochs(histories) for arm, histories in runs.items()}
    _results.write_csv(config.out / "replicates.csv", COLUMNS, list_rows(runs))
    arms, differences = summarize(numbers), compare(numbers)
    print_tables(arms, differences)
    draw_curves(config, draws, runs)
    result = {
        "data": reviews.description,
        "config": _results.as_json(config) | {"draws": draws},
        "arms": arms,
        "differences": differences,
        "n_parallel": {arm: histories.n_parallel for arm, histories in runs.items()},
        "seconds": {"load": load} | {arm: runs[arm].seconds for arm in runs},
    }
    _results.write_metrics(config.out, "replicates", result | reviews.facts)
    _draws.finish(config, comparison.arms, [n_train])


def count_draws(config: Config) -> int:
    """Return the number of draws.

    Raises:
      ValueError: If ``--draws`` is below 1.
    """
    if config.draws is None:
        return DRAWS_SYNTHETIC if config.data == "synthetic" else DRAWS
    if config.draws < 1:
        raise ValueError(f"--draws must be at least 1, got {config.draws}.")
    return config.draws


def list_rows(runs: Runs) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of ``replicates.csv``: one for each arm, draw and epoch."""
    for arm, histories in runs.items():
        metrics = [getattr(histories, name) for name in COLUMNS[3:]]
        for draw, epoch in np.ndindex(histories.loss.shape):
            values = (metric[draw, epoch].item() for metric in metrics)
            yield arm, draw, epoch + 1, *values


def summarize(numbers: Numbers) -> dict[str, Any]:
    """Return the mean and the median of each arm, with their intervals."""
    return {
        arm: {
            name: {
                "mean": stats.mean_interval(metrics[name]),
                "median": stats.median_interval(metrics[name]),
            }
            for name in _draws.METRICS
        }
        for arm, metrics in numbers.items()
    }


def compare(numbers: Numbers) -> dict[str, Any]:
    """Return the paired difference of every two arms, and its share above 0."""
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
                for name in _draws.EPOCHS
            }
    return differences


def print_tables(arms: dict[str, Any], differences: dict[str, Any]) -> None:
    """Print accuracies and differences, at the best epochs and at the last epoch."""
    for name, when in _draws.EPOCHS.items():
        print(f"\nvalidation accuracy {when}")
        print(f"  {'':<24}{'mean (95 % interval)':<30}median (95 % interval)")
        for arm, metrics in arms.items():
            mean, median = metrics[name]["mean"], metrics[name]["median"]
            print(f"  {arm:<24}{mean!s:<30}{median}")
        if differences:
            print(f"  {'paired difference':<24}{'mean (95 % interval)':<30}above 0")
        for pair, metrics in differences.items():
            mean, share = metrics[name]["mean"], metrics[name]["share_better"]
            print(f"  {pair:<24}{mean!s:<30}{share:.0%} of draws")
    print("\ntraining accuracy at the last epoch: mean (95 % interval)")
    for arm, metrics in arms.items():
        print(f"  {arm:<24}{metrics['accuracy_final']['mean']}")
    print(flush=True)


def draw_curves(config: Config, draws: int, runs: Runs) -> None:
    """Plot the validation accuracy of all draws of each arm against the epochs."""
    name = _vectors.shorten(config.comparison.pretrained.vectors)
    model = f"Vectors {name}, {draws} draws of {config.n_train:,} reviews"
    plot.replicates(
        {arm: histories.val_accuracy for arm, histories in runs.items()},
        config.out / "replicates.png",
        _results.make_title(model, config),
        chance=_reviews.CHANCE,
    )


if __name__ == "__main__":
    _cli.main(Config, run)
