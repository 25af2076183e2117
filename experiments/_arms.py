"""Arms: kinds of word vectors to compare, and the data that they share."""

import dataclasses
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np

from experiments import _cli, _results, _reviews, _setup, _vectors
from jaxembed import text

Arm = Literal["frozen", "learned", "fine-tuned"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """Word vectors to compare, and how to train them.

    Attributes:
      arms: Word vectors to compare: frozen is pre-trained and frozen; learned is
        initialized at random and trained on the reviews of a draw only; fine-tuned is
        pre-trained, frozen in the first epochs and then trained.
      n_parallel: Number of draws to train at the same time.
      memory_gib: Maximum memory for training, in GiB.
      n_validation: Number of reviews to validate on, the same for all draws.
    """

    arms: Annotated[
        tuple[Arm, ...],
        _cli.flag(
            "{frozen,learned,fine-tuned} ...", default="frozen learned fine-tuned"
        ),
    ] = ("frozen", "learned", "fine-tuned")
    n_parallel: Annotated[
        int | None,
        _cli.flag("INT", default="chosen for speed within --memory-gib"),
    ] = None
    memory_gib: float = 4.0
    n_validation: Annotated[
        int | None,
        _cli.flag("INT", default="2/5 of the reviews; 1/5 in learning_curve"),
    ] = None
    setup: _setup.Setup = _setup.Setup()
    pretrained: _vectors.Pretrained = _vectors.Pretrained()


class Reviews(NamedTuple):
    """Data that all arms and draws share.

    Attributes:
      ids: Padded ids, ``int32[N, L]``.
      labels: Labels, ``int[N]``.
      held_out: Indices of the reviews to validate on, ``int[n]``.
      pool: Indices of the reviews to draw from, ``int[N - n]``.
      table: Pre-trained vectors of the words, ``float32[V, D]``.
      description: Source of the reviews.
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
    """Return `comparison` with the default vectors if ``--vectors`` is not set."""
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
    facts = f"{_reviews.describe(config.data)}, {vectors}, seed {config.seed}"
    _results.begin(experiment, facts, config.out)
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
    print(f"{len(held_out):,} reviews to validate on, {len(pool):,} to draw from")
    n_rows = min(setup.num_words, len(tokens.tokenizer.word_index) + 1)
    table, facts = _vectors.make_table(
        config, setup, comparison.pretrained, tokens=tokens, n_rows=n_rows
    )
    facts |= {"n_validation": len(held_out), "n_pool": len(pool)}
    labels = np.asarray(tokens.train_labels)
    return Reviews(ids, labels, held_out, pool, table, tokens.description, facts)


def check_sizes(n: int, n_held_out: int, largest: int) -> None:
    """Check that `n - n_held_out` reviews are enough for the largest draw.

    Raises:
      ValueError: If they are too few, or no review is held out.
    """
    if not 0 < n_held_out < n:
        raise ValueError(
            f"--n-validation must be from 1 to {n - 1:,}, to leave some of the {n:,} "
            f"reviews to train on, got {n_held_out:,}."
        )
    n_pool = n - n_held_out
    if largest > n_pool:
        raise ValueError(
            f"a draw must have at most {n_pool:,} reviews, since {n_held_out:,} of "
            f"{n:,} are held out, got {largest:,}: train on fewer reviews, or lower "
            "--n-validation."
        )
