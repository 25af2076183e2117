"""Setup of the notebook's section 2: words, network and training, for any table."""

import dataclasses
from typing import Literal

from jaxembed import nn

SIZES = ("num_words", "length", "hidden", "epochs", "batch_size")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setup:
    """Words, network and training.

    Attributes:
      num_words: Number of ids, for the most frequent words; also the largest number of
        rows of the table.
      length: Number of words of a review that the network reads, the last ones.
      dim: Length of a learned word vector. By default 100, or the length of the
        pre-trained vectors that it is compared with.
      missing: Rows of words without a vector: zeros, or drawn from a normal
        distribution fitted to the vectors.
      hidden: Units of the hidden layer, which has a relu.
      epochs: Number of passes over the reviews.
      batch_size: Number of reviews in a step.
      learning_rate: Learning rate of RMSprop.
      unfreeze_after: Number of epochs that a fine-tuned table stays frozen before it is
        trained; 0 trains it from the start.
    """

    num_words: int = 10_000
    length: int = 100
    dim: int | None = None
    missing: Literal["zeros", "normal"] = "zeros"
    hidden: int = 32
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3
    unfreeze_after: int = 5


def check(setup: Setup, *, is_fine_tuned: bool) -> None:
    """Check that a network can be trained.

    Args:
      setup: Settings to check.
      is_fine_tuned: Whether a table is frozen at first and then trained.

    Raises:
      ValueError: If a flag is out of range; the error names it.
    """
    for name in SIZES:
        if getattr(setup, name) < 1:
            flag = name.replace("_", "-")
            raise ValueError(
                f"--{flag} must be at least 1, got {getattr(setup, name)}."
            )
    if is_fine_tuned and setup.unfreeze_after >= setup.epochs:
        raise ValueError(
            f"--unfreeze-after must be below --epochs {setup.epochs}, got "
            f"{setup.unfreeze_after}: the fine-tuned table would never be trained."
        )


def make_model(
    setup: Setup, n_rows: int, dim: int, *, frozen: bool
) -> nn.TextClassifier:
    """Make the network: a table, a hidden layer, one logit."""
    embed = nn.Embed(n_rows, dim, frozen=frozen)
    return nn.TextClassifier(embed, nn.DenseHead(hidden=(setup.hidden,)))
