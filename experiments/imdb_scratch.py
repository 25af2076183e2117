"""The same model on the same 200 reviews, its word vectors learned from them alone.

Notebook:  section 2, the comparison at its end.
Run:       python -m experiments.imdb_scratch --data aclImdb_v1.tar.gz
Expect:    validation accuracy 0.53, test accuracy 0.52 (means of 40 seeds, standard
           deviation 0.01); on two CPU cores 10 s
Writes:    runs/imdb_scratch/{metrics.json,curves.png,checkpoint/}
"""

import dataclasses

from experiments import _few_reviews, _run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_few_reviews.LearnedConfig):
    """The table is learned from the start."""


run = _few_reviews.run

if __name__ == "__main__":
    _run.main(Config, run)
