"""Word vectors learned as part of a classifier of IMDB reviews.

Notebook:  section 1, "Learning word embeddings with the Embedding layer"
Run:       python -m experiments.imdb_learned --data aclImdb_v1.tar.gz
Expect:    validation accuracy 0.76 at the best epoch, test accuracy 0.76; 7 s on two
           CPU cores, or 16 s without cached tokens; an epoch takes 0.02 s, or 0.05 s
           with --no-row-sparse
Writes:    runs/imdb_learned/{metrics.json, curves.png, checkpoint/, finished/}

The model reads the last 20 words of a review.
"""

import dataclasses
import time
from pathlib import Path

import jax
import numpy as np

from experiments import _cli, _results, _resume, _reviews
from jaxembed import nn, optim, text, train

SIZES = ("num_words", "length", "dim", "epochs", "batch_size")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_cli.Options):
    """Settings of the notebook.

    Attributes:
      num_words: Number of ids for the most frequent words and the markers of padding,
        start and unknown word; also the number of rows of the table.
      length: Number of words to read of each review; a longer review loses its start.
      dim: Length of a word vector.
      epochs: Number of passes over the reviews.
      batch_size: Number of reviews in a step.
      learning_rate: Learning rate of RMSprop.
      validation_fraction: Share of the training reviews to validate on.
      row_sparse: Update only the rows of the words of a batch. All rows are updated if
        a batch has at least as many words as the table has rows.
      keep_best: Test the weights of the epoch with the lowest validation loss instead
        of the last epoch.
    """

    out: Path = Path("runs/imdb_learned")
    num_words: int = 10_000
    length: int = 20
    dim: int = 8
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3
    validation_fraction: float = 0.2
    row_sparse: bool = True
    keep_best: bool = False


def run(config: Config) -> None:
    """Train the model, save the weights, and test them."""
    config = dataclasses.replace(config, data=_reviews.choose_data(config.data))
    facts = f"{_reviews.describe(config.data)}, learned vectors, seed {config.seed}"
    _results.begin("imdb_learned", facts, config.out)
    _cli.check_sizes(config, SIZES)
    # reviews -> words -> ids -> padded ids
    start = time.perf_counter()
    tokens = text.load_imdb_tokens(config.data, cache_dir=config.cache)
    ids, labels = pad(tokens.train, config), tokens.train_labels
    examples, held_out = _reviews.hold_out(
        len(ids), config.validation_fraction, config.seed
    )
    validation = ids[held_out], labels[held_out]
    seconds = {"load": time.perf_counter() - start}
    # padded ids -> rows of a table -> one logit
    model = nn.TextClassifier(nn.Embed(config.num_words, config.dim), nn.DenseHead())
    key = jax.random.key(config.seed)
    print(nn.summary(model, jax.eval_shape(model.init, key, ids[:1]), ids[:1]))
    # batches -> state and history
    rate, is_sparse = config.learning_rate, config.row_sparse
    save = _resume.save_path(config, "imdb_learned")
    state, history = _resume.fit(
        model,
        (ids, labels),
        save=save,
        tx=optim.rmsprop(rate),
        table_tx=optim.sparse_rmsprop(rate) if is_sparse else None,
        epochs=config.epochs,
        batch_size=config.batch_size,
        key=key,
        examples=examples,
        validation=validation,
        stopping=train.Stopping(keep_best=config.keep_best),
    )
    result = _results.save_and_test(
        model,
        state,
        history,
        config=config,
        command="imdb_learned",
        title=_results.make_title("Learned vectors", config),
        held_out=validation,
        test=(pad(tokens.test, config), tokens.test_labels),
        # An id of encode_imdb is the rank of the word plus 3.
        extra={"tokenizer": tokens.tokenizer.to_json(), "index_from": 3},
    )
    result |= {"data": tokens.description, "seconds": seconds | history.seconds}
    _results.write_metrics(config.out, "imdb_learned", result)
    _resume.finish([save])


def pad(ranks: text.Ragged, config: Config) -> np.ndarray:
    """Convert ranks of words to Keras's ids, padded to ``int32[N, L]``."""
    ids = text.encode_imdb(ranks, config.num_words)
    return text.pad_sequences(ids, maxlen=config.length)


if __name__ == "__main__":
    _cli.main(Config, run)
