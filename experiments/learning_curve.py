"""Frozen, learned, fine-tuned vectors: 50 to 20,000 reviews.

Notebook:  section 2 says that learned vectors are better with more data; this
           experiment finds the number of reviews
Run:       python -m experiments.learning_curve --data aclImdb_v1.tar.gz
           --vectors glove.6B.zip/glove.6B.100d.txt
Expect:    the validation accuracy of learned, at the best epoch, exceeds that of frozen
           above 802 reviews (95 % interval 671 to 864); 17 minutes on two CPU cores
Writes:    runs/learning_curve/{metrics.json, learning_curve.csv, learning_curve.png,
           learning_curve_final.png, finished/}

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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from experiments import _arms, _cli, _draws, _results, _reviews, _vectors
from jaxembed import plot, replicates, stats

SIZES = (50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 20_000)
DRAWS = 10
# Sizes and draws of the synthetic reviews: two minutes on two CPU cores.
SIZES_SYNTHETIC, DRAWS_SYNTHETIC = (125, 500, 2_000, 8_000), 4
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

# Metrics of each arm and size, one value for each draw.
Numbers = dict[_arms.Arm, list[dict[str, np.ndarray]]]
Crossovers = dict[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_cli.Options):
    """Sizes, and draws of each size.

    Attributes:
      sizes: Numbers of reviews in a draw.
      draws: Number of draws of each size up to --large. Each draw has its own initial
        weights.
      large: Largest size with --draws draws; larger sizes have --draws-large draws.
      draws_large: Number of draws of each size above --large.
    """

    out: Path = Path("runs/learning_curve")
    sizes: Annotated[
        tuple[int, ...] | None,
        _cli.flag(
            "INT ...",
            default=f"{' '.join(map(str, SIZES))}; for synthetic reviews "
            f"{' '.join(map(str, SIZES_SYNTHETIC))}",
        ),
    ] = None
    draws: Annotated[
        int | None,
        _cli.flag("INT", default=f"{DRAWS}; for synthetic reviews {DRAWS_SYNTHETIC}"),
    ] = None
    large: int = 6_400
    draws_large: int = 3
    comparison: _arms.Comparison = _arms.Comparison()


def run(config: Config) -> None:
    """Train all arms on all sizes, and find the sizes at which arms cross."""
    data = _reviews.choose_data(config.data)
    comparison = _arms.choose_vectors(config.comparison, data)
    config = dataclasses.replace(config, data=data, comparison=comparison)
    _arms.begin("learning_curve", config, comparison)
    sizes = list_sizes(config)
    # reviews -> words -> ids of shared data, and a table
    start = time.perf_counter()
    reviews = _arms.load(config, comparison, share=SHARE, largest=sizes[-1])
    seconds: dict[str, Any] = {"load": time.perf_counter() - start}
    # draws -> histories -> numbers
    print("validation accuracy at the best and last epoch: mean (95 % interval)")
    numbers: Numbers = {arm: [] for arm in comparison.arms}
    seconds |= {arm: [] for arm in comparison.arms}
    for size in sizes:
        for arm in comparison.arms:
            draws = count_draws(config, size)
            histories = _draws.train_arm(
                config, comparison, reviews, arm, n_train=size, n_draws=draws
            )
            numbers[arm].append(_draws.pick_epochs(histories))
            seconds[arm].append(histories.seconds)
            print_line(arm, size, histories)
    # numbers -> means, crossovers, pictures
    rows = list_rows(sizes, numbers)
    _results.write_csv(config.out / "learning_curve.csv", COLUMNS, rows)
    arms, crossovers = summarize(numbers), find_crossovers(sizes, numbers)
    print_crossovers(crossovers)
    draw_curves(config, sizes, arms, crossovers)
    result = {
        "data": reviews.description,
        "config": config,
        "sizes": sizes,
        "draws": [count_draws(config, size) for size in sizes],
        "arms": arms,
        "crossovers": crossovers,
        "seconds": seconds,
    }
    _results.write_metrics(config.out, "learning_curve", result | reviews.facts)
    _draws.finish(config, comparison.arms, sizes)


def list_sizes(config: Config) -> list[int]:
    """Return the sizes in ascending order.

    Raises:
      ValueError: If a size or a number of draws is below 1, or sizes are missing.
    """
    default = SIZES_SYNTHETIC if config.data == "synthetic" else SIZES
    sizes = sorted(set(default if config.sizes is None else config.sizes))
    if not sizes or sizes[0] < 1:
        raise ValueError(
            f"--sizes must be one or more numbers of at least 1, got {sizes}."
        )
    if min(draws := [count_draws(config, size) for size in sizes]) < 1:
        raise ValueError(
            f"--draws and --draws-large must be at least 1, got {min(draws)}."
        )
    return sizes


def count_draws(config: Config, size: int) -> int:
    """Return the number of draws of a size."""
    if size > config.large:
        return config.draws_large
    if config.draws is None:
        return DRAWS_SYNTHETIC if config.data == "synthetic" else DRAWS
    return config.draws


def print_line(arm: str, size: int, histories: replicates.Histories) -> None:
    """Print the accuracies of an arm at one size."""
    numbers = _draws.pick_epochs(histories)
    best, last = (stats.mean_interval(numbers[name]) for name in _draws.EPOCHS)
    seconds = histories.seconds["compile"] + histories.seconds["run"]
    n_draws = f"{len(histories):>4} draw{'s' if len(histories) > 1 else ' '}"
    start = f"{arm:<11}{n_draws} of {size:>6,} reviews:"
    print(f"{start} best {best}, last {last}, {seconds:.0f} s", flush=True)


def list_rows(sizes: Sequence[int], numbers: Numbers) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of ``learning_curve.csv``: one for each arm, size and draw."""
    for arm, parts in numbers.items():
        for size, metrics in zip(sizes, parts, strict=True):
            columns = [metrics[name].tolist() for name in COLUMNS[3:]]
            for draw, values in enumerate(zip(*columns, strict=True)):
                yield arm, size, draw, *values


def summarize(numbers: Numbers) -> dict[str, Any]:
    """Return the mean and interval of each arm, metric and size."""
    return {
        arm: {
            name: [stats.mean_interval(metrics[name]) for metrics in parts]
            for name in _draws.METRICS
        }
        for arm, parts in numbers.items()
    }


def find_crossovers(sizes: Sequence[int], numbers: Numbers) -> Crossovers:
    """Find the sizes from which the arms are better than frozen vectors."""
    crossovers: Crossovers = {name: {} for name in _draws.EPOCHS}
    for first, second in PAIRS:
        if first in numbers and second in numbers:
            for name, found in crossovers.items():
                parts = zip(numbers[first], numbers[second], strict=True)
                differences = [a[name] - b[name] for a, b in parts]
                found[f"{first} over {second}"] = stats.crossover(sizes, differences)
    return crossovers


def print_crossovers(crossovers: Crossovers) -> None:
    """Print the result of :func:`find_crossovers`."""
    for name, found in crossovers.items():
        print(f"validation accuracy {_draws.EPOCHS[name]} (95 % interval):")
        for pair, crossing in found.items():
            first, second = pair.split(" over ")
            _, start, interval = str(crossing).partition(" (")
            if crossing.size is None:
                size = f"{crossing.largest:,.0f} reviews{start}{interval}"
                what = f"{first} does not overtake {second} up to {size}"
            elif crossing.size <= crossing.smallest:
                size = f"{crossing.smallest:,.0f} reviews on{start}{interval}"
                what = f"{first} is above {second} from {size}"
            else:
                what = f"{first} overtakes {second} at {crossing} reviews"
            print(f"  {what}")


def draw_curves(
    config: Config,
    sizes: Sequence[int],
    arms: dict[str, Any],
    crossovers: Crossovers,
) -> None:
    """Plot accuracy against size, once for the best epochs and once for the last."""
    model = f"Vectors {_vectors.shorten(config.comparison.pretrained.vectors)}"
    title = _results.make_title(model, config)
    for name, picture in PICTURES.items():
        plot.learning_curve(
            sizes,
            {arm: metrics[name] for arm, metrics in arms.items()},
            config.out / picture,
            f"{title}; {_draws.EPOCHS[name]}",
            crossover=crossovers[name].get("learned over frozen"),
            chance=_reviews.CHANCE,
        )


if __name__ == "__main__":
    _cli.main(Config, run)
