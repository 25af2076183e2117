"""1,000 labelled reviews: n-grams, frozen vectors, and both.

Notebook:  its second half asks what vectors are worth with few labels; there the draw
           has 200 reviews, of which the last 100 words are read
Run:       python -m experiments.few_labels --data aclImdb_v1.tar.gz
           --vectors glove.6B.zip/glove.6B.100d.txt --validation-fraction 0
           python -m experiments.few_labels --data aclImdb_v1.tar.gz --arms ngrams
Expect:    with --validation-fraction 0, mean test accuracies of 0.870 for both, 0.852
           for ngrams, 0.840 for reviews and 0.745 for glove; 12 minutes beside other
           work on two CPU cores
Writes:    runs/few_labels/{metrics.json, draws.csv}

The arm ngrams is the model of imdb_ngrams. Its rows are the words and pairs of all
training reviews, its log-count ratios those of the labelled reviews. The arms glove and
reviews are logistic regressions on the mean of the frozen vectors of the distinct words
of a review, each times its inverse document frequency. These vectors are GloVe, or made
from the words around each word in the reviews. The arm both adds the logits of ngrams
and of reviews, each divided by its standard deviation. The reviews without labels are
read for the rows, the frequencies, the vectors, and the mean and the deviation of each
column. With --validation-fraction 0 the draws are from all training reviews, and the
test reviews are measured.
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import numpy as np

from experiments import _cli, _labels, _results, _reviews, _vectors
from jaxembed import replicates, stats, text

Arm = Literal["ngrams", "glove", "reviews", "both"]
ARMS: tuple[Arm, ...] = ("ngrams", "glove", "reviews", "both")
PARTS: dict[Arm, tuple[Arm, ...]] = {"both": ("ngrams", "reviews")}
COLUMNS = ("arm", "draw", "accuracy")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_cli.Options):
    """Arms, and draws of labelled reviews.

    Attributes:
      arms: Arms to compare.
      n_train: Number of labelled reviews in a draw.
      draws: Number of draws. Each draw has its own initial weights.
      num_words: Number of ids for padding and the most frequent words, which have
        vectors.
      validation_fraction: Share of the training reviews to validate on. With 0 the
        draws are from all training reviews, and the test reviews are measured.
      block: Number of the contiguous block of reviews to validate on, from 0.
    """

    out: Path = Path("runs/few_labels")
    arms: Annotated[
        tuple[Arm, ...],
        _cli.flag(f"{{{','.join(ARMS)}}} ...", default="all"),
    ] = ARMS
    n_train: int = 1_000
    draws: int = 30
    num_words: int = 30_000
    validation_fraction: float = 0.1
    block: int = 0
    pretrained: _vectors.Pretrained = _vectors.Pretrained()


def run(config: Config) -> None:
    """Train all arms on all draws, and compare them."""
    config = dataclasses.replace(config, data=_reviews.choose_data(config.data))
    facts = f"{_reviews.describe(config.data)}, {config.draws} draws of "
    facts += f"{config.n_train:,} reviews, seed {config.seed}"
    _results.begin("few_labels", facts, config.out)
    _cli.check_sizes(config, ("n_train", "draws", "num_words"))
    tokens = text.load_imdb_tokens(config.data, cache_dir=config.cache)
    labels, pool, measured = split(tokens, config)
    key = jax.random.key(config.seed)
    draws = replicates.draw_examples(key, config.draws, pool, config.n_train)
    singles = dict.fromkeys(s for arm in config.arms for s in PARTS.get(arm, (arm,)))
    logits = {}
    for arm in singles:
        part = make_part(arm, tokens, config)
        found = [
            _labels.train_draw(
                part, labels, draw, measured=measured, key=key, number=number
            )
            for number, draw in enumerate(draws)
        ]
        logits[arm] = np.stack(found)
        accuracies = ((logits[arm] > 0) == labels[measured]).mean(1)
        print(f"{arm}: mean accuracy {accuracies.mean():.4f}", flush=True)
    numbers = {arm: measure(arm, logits, labels[measured]) for arm in config.arms}
    name = "validation" if config.validation_fraction else "test"
    result = {"data": tokens.description, "part": name} | compare(numbers)
    print_table(result)
    lines = (
        (arm, draw, accuracy)
        for arm, found in numbers.items()
        for draw, accuracy in enumerate(found.tolist())
    )
    _results.write_csv(config.out / "draws.csv", COLUMNS, lines)
    result["config"] = _results.as_json(config)
    _results.write_metrics(config.out, "few_labels", result)


def split(
    tokens: text.TokenizedCorpus, config: Config
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, and the numbers of the reviews to draw from and to measure.

    The test reviews have the numbers after those of the training reviews.
    """
    n_train = len(tokens.train_labels)
    pool, measured = _reviews.hold_out_block(
        tokens.train_labels, config.validation_fraction, config.block
    )
    if not measured.size:
        tokens.check_test()
        measured = n_train + np.arange(len(tokens.test_labels))
    labels = np.concatenate([tokens.train_labels, tokens.test_labels])
    return labels.astype(np.int32), pool, measured


def make_part(arm: Arm, tokens: text.TokenizedCorpus, config: Config) -> _labels.Part:
    """Return the reviews as an arm reads them."""
    if arm == "ngrams":
        return _labels.make_ngrams(tokens)
    name = config.pretrained.vectors if arm == "glove" else "ppmi"
    name = _vectors.choose_vectors(name, config.data)
    pretrained = dataclasses.replace(config.pretrained, vectors=name)
    return _labels.make_vectors(
        tokens, config, pretrained=pretrained, num_words=config.num_words
    )


def measure(arm: Arm, logits: dict[Arm, np.ndarray], labels: np.ndarray) -> np.ndarray:
    """Return the accuracy of each draw, ``float64[K]``.

    Args:
      arm: Arm to measure.
      logits: Logits ``float32[K, M]`` of K draws, by arm.
      labels: ``int32[M]``.
    """
    parts = [logits[part] for part in PARTS.get(arm, (arm,))]
    total = sum(part / part.std(1, keepdims=True) for part in parts)
    return ((total > 0) == labels).mean(1)


def compare(numbers: dict[Arm, np.ndarray]) -> dict[str, Any]:
    """Return the mean of each arm and its difference to the next, best arm first."""
    order = sorted(numbers, key=lambda arm: -numbers[arm].mean())
    arms = {arm: stats.mean_interval(numbers[arm]) for arm in order}
    differences = {
        f"{first} - {second}": stats.paired_difference(numbers[first], numbers[second])
        for first, second in zip(order, order[1:], strict=False)
    }
    return {"arms": arms, "differences": differences}


def print_table(result: dict[str, Any]) -> None:
    """Print the mean of each arm, and the paired differences."""
    print(f"\n{result['part']} accuracy: mean over draws (95 % interval)")
    for kind in ("arms", "differences"):
        for name, interval in result[kind].items():
            print(f"  {name:<20}{interval}")


if __name__ == "__main__":
    _cli.main(Config, run)
