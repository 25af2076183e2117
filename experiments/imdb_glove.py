"""Word vectors that others made, frozen, and 200 reviews to learn what to do with them.

Notebook:  section 2, "Using pre-trained word embeddings".
Run:       python -m experiments.imdb_glove --data aclImdb_v1.tar.gz
           --vectors glove.6B.zip/glove.6B.100d.txt
Expect:    validation accuracy 0.56 at best and 0.55 at the end, test accuracy 0.54
           (means of 40 seeds, standard deviation 0.02); on two CPU cores 10 s
Writes:    runs/imdb_glove/{metrics.json,curves.png,checkpoint/}
"""

import dataclasses

from experiments import _few_reviews, _run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_few_reviews.PretrainedConfig):
    """The table is frozen."""


run = _few_reviews.run

if __name__ == "__main__":
    _run.main(Config, run)
