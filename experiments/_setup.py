"""Setup: words, network and training of the notebook's section 2."""

import dataclasses
from typing import Annotated, Literal

from experiments import _cli
from jaxembed import nn

SIZES = ("num_words", "length", "hidden", "epochs", "batch_size")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setup:
    """Words, network and training.

    Attributes:
      num_words: Number of ids for padding and the most frequent words; also the maximum
        number of rows of the table.
      length: Number of words to read of each review; a longer review loses its start.
      dim: Length of a learned word vector.
      missing: Rows of words without a pre-trained vector: zeros, or drawn from a normal
        distribution fitted to the pre-trained vectors.
      hidden: Number of units of the hidden layer, which has a ReLU.
      epochs: Number of passes over the reviews.
      batch_size: Number of reviews in a step.
      learning_rate: Learning rate of RMSprop.
      unfreeze_after: Number of initial epochs in which a fine-tuned table is frozen.
        With 0 the table is trained from the first epoch.
    """

    num_words: int = 10_000
    length: int = 100
    dim: Annotated[
        int | None,
        _cli.flag("INT", default="length of the pre-trained vectors, or 100"),
    ] = None
    missing: Literal["zeros", "normal"] = "zeros"
    hidden: int = 32
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3
    unfreeze_after: int = 5


def check(setup: Setup, *, is_fine_tuned: bool) -> None:
    """Check the sizes and the number of frozen epochs.

    Args:
      setup: Settings to check.
      is_fine_tuned: Whether a table is frozen at first and then trained.

    Raises:
      ValueError: If a flag is out of range; the error names it.
    """
    _cli.check_sizes(setup, SIZES)
    if is_fine_tuned and setup.unfreeze_after >= setup.epochs:
        raise ValueError(
            f"--unfreeze-after must be below --epochs {setup.epochs}, got "
            f"{setup.unfreeze_after}: the fine-tuned table would never be trained. Set "
            "both flags, or leave out fine-tuned."
        )


def make_model(
    setup: Setup, n_rows: int, dim: int, *, frozen: bool
) -> nn.TextClassifier:
    """Return the network: a table, a hidden layer and one logit."""
    embed = nn.Embed(n_rows, dim, frozen=frozen)
    return nn.TextClassifier(embed, nn.DenseHead(hidden=(setup.hidden,)))
