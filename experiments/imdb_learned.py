"""Word vectors learned with the task, on the last words of IMDB reviews.

Notebook:  section 1, "Learning word embeddings with the Embedding layer".
Run:       python -m experiments.imdb_learned --data aclImdb_v1.tar.gz
Expect:    validation accuracy 0.76 at best, test accuracy 0.76; on two CPU cores 7 s,
           the first time 16 s
Writes:    runs/imdb_learned/{metrics.json,curves.png,checkpoint/}
"""

import dataclasses
import time
from typing import Any

import jax
import numpy as np

from experiments import _run
from jaxembed import nn, optim, text, train


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_run.Options):
    """The notebook's settings; every number of the experiment is here."""

    num_words: int = 10_000
    """Ids kept, the most frequent words first; also the rows of the table."""
    length: int = 20
    """Words read of each review, its last ones."""
    dim: int = 8
    """Length of a word vector."""
    epochs: int = 10
    """How many times each review is seen."""
    batch_size: int = 32
    """Reviews in a step."""
    learning_rate: float = 1e-3
    """Of RMSprop."""
    validation_fraction: float = 0.2
    """Share of the training reviews that is held out."""
    keep_best: bool = False
    """Whether to test the epoch with the best validation loss, not the last."""


def run(config: Config) -> dict[str, Any]:
    """Trains, saves, and tests what was saved."""
    # reviews -> words -> ids -> padded ids
    start = time.perf_counter()
    tokens = text.load_imdb_tokens(config.data, cache_dir=config.cache)
    ids, labels = _pad(tokens.train, config), tokens.train_labels
    rows, held_out = _run.split(len(ids), config.validation_fraction, config.seed)
    seconds = {"load": time.perf_counter() - start}
    # padded ids -> rows of a table -> one logit
    model = nn.TextClassifier(nn.Embed(config.num_words, config.dim), nn.FlattenDense())
    key = jax.random.key(config.seed)
    print(nn.summary(model, jax.eval_shape(model.init, key, ids[:1]), ids[:1]))
    # batches -> state and history
    state, history = train.fit(
        model,
        (ids, labels),
        tx=optim.rmsprop(config.learning_rate),
        epochs=config.epochs,
        batch_size=config.batch_size,
        key=key,
        examples=rows,
        validation=(ids[held_out], labels[held_out]),
        stopping=train.Stopping(keep_best=config.keep_best),
        on_epoch=lambda history: _run.print_epoch(history, config.epochs),
    )
    test = (_pad(tokens.test, config), tokens.test_labels)
    # encode_imdb's ids are ranks plus 3.
    extra = {"tokenizer": tokens.tokenizer.to_json(), "index_from": 3}
    result = _run.finish(
        config, tokens.description, model, (state, history), test, extra
    )
    return result | {"seconds": seconds | history.seconds}


def _pad(ranks: text.Ragged, config: Config) -> np.ndarray:
    ids = text.encode_imdb(ranks, config.num_words)
    return text.pad_sequences(ids, maxlen=config.length)


if __name__ == "__main__":
    _run.main(Config, run)
