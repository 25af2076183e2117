"""Word vectors that others made, frozen at first and then trained with the rest.

Notebook:  beyond section 2, which only freezes them.
Run:       python -m experiments.imdb_finetune --data aclImdb_v1.tar.gz
           --vectors glove.6B.zip/glove.6B.100d.txt
Expect:    validation accuracy 0.56 at best and 0.54 at the end, test accuracy 0.54
           (means of 10 seeds, standard deviation 0.02); on two CPU cores 12 s
Writes:    runs/imdb_finetune/{metrics.json,curves.png,checkpoint/}
"""

import dataclasses

from experiments import _few_reviews, _run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_few_reviews.PretrainedConfig):
    """The table is frozen for the first half of the epochs."""

    frozen: bool = False
    """Whether the table stays as it is in all epochs."""
    unfreeze_after: int = 5
    """If it does not: for so many epochs it does."""


run = _few_reviews.run

if __name__ == "__main__":
    _run.main(Config, run)
