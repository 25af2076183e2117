"""Three tables on ever more reviews: from how many on does a learned one win.

Notebook:  section 2 says that learned vectors win with more data; this says from where.
Run:       python -m experiments.learning_curve --data aclImdb_v1.tar.gz
           --vectors glove.6B.zip/glove.6B.100d.txt
Expect:    learned overtakes frozen at 802 reviews (671 to 864) at the best epochs; on
           two CPU cores 17 minutes
Writes:    runs/learning_curve/{metrics.json,learning_curve.csv,learning_curve.png,
           learning_curve_final.png}

Word vectors that stay as they are (frozen), a table learned from nothing (learned) and
vectors that are trained with the rest (fine-tuned), on the same draws and from the same
head. The best epoch is picked on the reviews it is measured on, so it flatters all arms
a little; the last epoch does not. An interrupted run goes on where it was.
"""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from experiments import _arms, _files, _run
from jaxembed import plot, replicates, stats

SIZES = (50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 20_000)
DRAWS = 10
# The sizes and draws of the embedded reviews, which take two minutes on two CPU cores.
SIZES_EMBEDDED, DRAWS_EMBEDDED = (125, 500, 2_000, 8_000), 4
SHARE = 0.2
COLUMNS = (
    *("arm", "size", "draw"),
    *("val_accuracy_best", "best_epoch", "val_accuracy_final", "accuracy_final"),
)
PAIRS = (("learned", "frozen"), ("fine-tuned", "frozen"))
PICTURES = {
    "val_accuracy_best": "learning_curve.png",
    "val_accuracy_final": "learning_curve_final.png",
}

# For each arm and each size: what COLUMNS says, a number for each draw.
Numbers = dict[_arms.Arm, list[dict[str, np.ndarray]]]
Crossovers = dict[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_arms.Config):
    """Some draws of each size."""

    sizes: tuple[int, ...] | None = None
    """Reviews in a draw; by default 50 and doubled up to 12,800, and 20,000; of the
    embedded reviews 125, 500, 2,000 and 8,000."""
    draws: int | None = None
    """Draws of each size, with other initial weights each; by default 10, or 4 of the
    embedded reviews."""
    large: int = 6_400
    """Sizes above this one have fewer draws."""
    draws_large: int = 3
    """So many."""
    n_validation: int | None = None
    """Reviews that no draw trains on, the same for all; by default a fifth, which are
    5,000 of IMDB's 25,000."""

    def list_sizes(self) -> list[int]:
        """The sizes that are meant, in ascending order.

        Raises:
          ValueError: if there is none, or no number of draws.
        """
        default = SIZES_EMBEDDED if self.data == "embedded" else SIZES
        sizes = sorted(set(default if self.sizes is None else self.sizes))
        if not sizes or sizes[0] < 1:
            raise ValueError(f"--sizes must name sizes of at least 1, got {sizes}.")
        if min(draws := [count_draws(self, size) for size in sizes]) < 1:
            raise ValueError(
                f"--draws and --draws-large must be at least 1, got {min(draws)}."
            )
        return sizes


def run(config: Config) -> dict[str, Any]:
    """Trains all arms on all sizes, and says where they cross."""
    assert config.out is not None  # main fills it in
    sizes = config.list_sizes()
    # reviews -> words -> ids of shared data, and a table
    start = time.perf_counter()
    reviews = _arms.load(config, SHARE, sizes[-1])
    seconds: dict[str, Any] = {"load": time.perf_counter() - start}
    # draws -> histories -> numbers
    numbers: Numbers = {arm: [] for arm in config.arms}
    seconds |= {arm: [] for arm in config.arms}
    for size in sizes:
        for arm in config.arms:
            draws = count_draws(config, size)
            histories = _arms.run_arm(config, reviews, arm, size, draws)
            numbers[arm].append(pick_epochs(histories))
            seconds[arm].append(histories.seconds)
            print_line(arm, size, histories)
    # numbers -> means, crossings, pictures
    rows = list_rows(sizes, numbers)
    _files.write_csv(config.out / "learning_curve.csv", COLUMNS, rows)
    arms, crossovers = summarize(numbers), find_crossovers(sizes, numbers)
    print_crossovers(crossovers)
    draw(config, reviews.description, sizes, arms, crossovers)
    return {
        "data": reviews.description,
        "config": _run.as_json(config),
        "sizes": sizes,
        "draws": [count_draws(config, size) for size in sizes],
        "arms": _arms.as_dicts(arms),
        "crossovers": _arms.as_dicts(crossovers),
        "seconds": seconds,
    } | reviews.facts


def count_draws(config: Config, size: int) -> int:
    """How many draws a size has."""
    if size > config.large:
        return config.draws_large
    if config.draws is None:
        return DRAWS_EMBEDDED if config.data == "embedded" else DRAWS
    return config.draws


def pick_epochs(histories: replicates.Histories) -> dict[str, np.ndarray]:
    """The accuracies of each draw at its best epoch, counted from 1, and at the last.

    Raises:
      ValueError: if a draw has none that is a number.
    """
    best, epochs = stats.best_epoch(histories.val_accuracy)
    return {
        "val_accuracy_best": best,
        "best_epoch": epochs + 1,
        "val_accuracy_final": stats.final_epoch(histories.val_accuracy),
        "accuracy_final": stats.final_epoch(histories.accuracy),
    }


def print_line(arm: str, size: int, histories: replicates.Histories) -> None:
    """Prints what an arm has come to with a size."""
    best, last = (
        stats.mean_interval(pick_epochs(histories)[name]) for name in _arms.EPOCHS
    )
    seconds = histories.seconds["compile"] + histories.seconds["run"]
    numbers = f"best {best}  last {last}  {seconds:.0f} s"
    print(f"{arm:<11}{size:>7,} reviews x {len(histories):<3} {numbers}", flush=True)


def list_rows(sizes: Sequence[int], numbers: Numbers) -> Iterator[tuple[Any, ...]]:
    """The rows of ``learning_curve.csv``: one for each arm, size and draw."""
    for arm, parts in numbers.items():
        for size, metrics in zip(sizes, parts, strict=True):
            columns = [metrics[name].tolist() for name in COLUMNS[3:]]
            for draw, values in enumerate(zip(*columns, strict=True)):
                yield arm, size, draw, *values


def summarize(numbers: Numbers) -> dict[str, Any]:
    """The means of each arm, an interval for each size."""
    return {
        arm: {
            name: [stats.mean_interval(metrics[name]) for metrics in parts]
            for name in (*_arms.EPOCHS, "accuracy_final")
        }
        for arm, parts in numbers.items()
    }


def find_crossovers(sizes: Sequence[int], numbers: Numbers) -> Crossovers:
    """From which size on an arm is better than frozen vectors."""
    crossovers: Crossovers = {name: {} for name in _arms.EPOCHS}
    for first, second in PAIRS:
        if first in numbers and second in numbers:
            for name, found in crossovers.items():
                parts = zip(numbers[first], numbers[second], strict=True)
                differences = [a[name] - b[name] for a, b in parts]
                found[f"{first} over {second}"] = stats.crossover(sizes, differences)
    return crossovers


def print_crossovers(crossovers: Crossovers) -> None:
    """Prints from which size on an arm is better, best and last epoch apart."""
    for name, found in crossovers.items():
        print(_arms.EPOCHS[name])
        for pair, crossing in found.items():
            first, second = pair.split(" over ")
            if crossing.size is None:
                what = f"{first} does not overtake {second}: {crossing} reviews"
            elif crossing.size <= crossing.smallest:
                what = f"{first} is above {second} from the first: {crossing} reviews"
            else:
                what = f"{first} overtakes {second} at {crossing} reviews"
            print(f"  {what}")


def draw(
    config: Config,
    description: str,
    sizes: Sequence[int],
    arms: dict[str, Any],
    crossovers: Crossovers,
) -> None:
    """Writes a picture of the best epoch and one of the last."""
    assert config.out is not None  # main fills it in
    for name, picture in PICTURES.items():
        plot.learning_curve(
            sizes,
            {arm: metrics[name] for arm, metrics in arms.items()},
            config.out / picture,
            f"{config.title(description)}; {_arms.EPOCHS[name]}",
            crossover=crossovers[name].get("learned over frozen"),
            chance=_arms.CHANCE,
        )


if __name__ == "__main__":
    _run.main(Config, run)
