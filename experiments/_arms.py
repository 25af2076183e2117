"""Arms: three tables of word vectors to compare, and the data that they share."""

import dataclasses
from typing import Any, Literal, NamedTuple

import numpy as np

from experiments import _cli, _results, _reviews, _setup, _vectors
from jaxembed import text

Arm = Literal["frozen", "learned", "fine-tuned"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """Arms to compare.

    Attributes:
      arms: Tables to compare: pre-trained vectors that stay frozen (frozen), vectors
        learned from the reviews alone (learned), and pre-trained vectors that are
        trained after some frozen epochs (fine-tuned).
      n_parallel: Number of draws trained at the same time. By default, as many as fit
        into the memory and make training faster.
      memory_gib: Memory for training, in GiB.
      n_validation: Number of reviews to validate on, the same for all draws. By default
        two fifths of the reviews in replicates, and a fifth in learning_curve.
    """

    arms: tuple[Arm, ...] = ("frozen", "learned", "fine-tuned")
    n_parallel: int | None = None
    memory_gib: float = 4.0
    n_validation: int | None = None
    setup: _setup.Setup = _setup.Setup()
    pretrained: _vectors.Pretrained = _vectors.Pretrained()


class Reviews(NamedTuple):
    """Data that all arms and draws share.

    Attributes:
      ids: Padded ids, ``int32[N, L]``.
      labels: Labels, ``int[N]``.
      held_out: Numbers of the reviews to validate on, ``int[n]``.
      pool: Numbers of the reviews to draw from, ``int[N - n]``.
      table: Pre-trained vectors of the words, ``float32[V, D]``.
      description: Description of the reviews, for titles.
      facts: Entries of ``metrics.json`` about the data.
    """

    ids: np.ndarray
    labels: np.ndarray
    held_out: np.ndarray
    pool: np.ndarray
    table: np.ndarray
    description: str
    facts: dict[str, Any]


def choose_vectors(comparison: Comparison, data: str) -> Comparison:
    """Fill in the vectors if the flags leave them open."""
    name = _vectors.choose_vectors(comparison.pretrained.vectors, data)
    pretrained = dataclasses.replace(comparison.pretrained, vectors=name)
    return dataclasses.replace(comparison, pretrained=pretrained)


def begin(experiment: str, config: _cli.Options, comparison: Comparison) -> None:
    """Print the first line, and check the folder and the flags of a comparison.

    Raises:
      OSError: If the folder cannot be written.
      ValueError: If a flag is out of range; the error names it.
    """
    vectors = _vectors.describe(comparison.pretrained.vectors)
    sources = f"{_reviews.describe(config.data)}, {vectors}"
    _results.begin(experiment, sources, config.out)
    arms, memory = comparison.arms, comparison.memory_gib
    if not 0 < memory < 2**30:
        raise ValueError(f"--memory-gib must be above 0, got {memory}.")
    if not arms or len(set(arms)) < len(arms):
        raise ValueError(f"--arms must name each arm once, got {list(arms)}.")
    _setup.check(comparison.setup, is_fine_tuned="fine-tuned" in arms)


def load(
    config: _cli.Options, comparison: Comparison, *, share: float, largest: int
) -> Reviews:
    """Load the reviews and the vectors.

    Args:
      config: Source of the reviews, cache and seed.
      comparison: Words to keep, and the vectors.
      share: Share of the reviews to hold out if ``--n-validation`` is not set.
      largest: Largest number of reviews in a draw.

    Raises:
      ValueError: If there are too few reviews, or the vectors have the wrong length.
    """
    setup = comparison.setup
    tokenizer = text.Tokenizer(setup.num_words)
    tokens = text.load_imdb_tokens(config.data, tokenizer, cache_dir=config.cache)
    ids = text.pad_sequences(tokens.train, maxlen=setup.length)
    n_held_out = comparison.n_validation
    if n_held_out is None:
        n_held_out = int(share * len(ids))
    check_sizes(len(ids), n_held_out, largest)
    sizes = n_held_out, len(ids) - n_held_out
    held_out, pool = _reviews.draw_parts(len(ids), *sizes, seed=config.seed)
    print(f"{len(held_out):,} reviews held out, {len(pool):,} to draw from")
    n_rows = min(setup.num_words, len(tokens.tokenizer.word_index) + 1)
    table, facts = _vectors.make_table(
        config, setup, comparison.pretrained, tokens=tokens, n_rows=n_rows
    )
    facts |= {"n_validation": len(held_out), "n_pool": len(pool)}
    labels = np.asarray(tokens.train_labels)
    return Reviews(ids, labels, held_out, pool, table, tokens.description, facts)


def check_sizes(n: int, n_held_out: int, largest: int) -> None:
    """Check that `largest` of `n` reviews are left to draw.

    Raises:
      ValueError: If fewer are left, or none are held out.
    """
    if not 0 < n_held_out < n:
        raise ValueError(
            f"--n-validation must leave some of the {n:,} reviews to train on, and be "
            f"at least 1, got {n_held_out}."
        )
    n_pool = n - n_held_out
    if largest > n_pool:
        raise ValueError(
            f"{largest:,} reviews to train on are not there: of {n:,}, {n_held_out:,} "
            f"are held out, so the largest size is {n_pool:,}. Hold out fewer "
            "(--n-validation), or train on fewer."
        )
