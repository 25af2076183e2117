"""Training: settings that follow from the number of texts, and the run itself."""

import dataclasses
import math
from typing import Any

import jax
import numpy as np

from jaxembed import train
from jaxembed._checks import check_count, check_positive
from jaxembed.model._bags import Bags, pad
from jaxembed.model._network import Params, make_network, make_optimizers, start_table
from jaxembed.model._tasks import Task
from jaxembed.text import Ragged
from jaxembed.vectors import WordVectors

# All numbers here were chosen on held-out training texts of SST-2, TREC and IMDB, as
# benchmarks/text_model.py --held-out draws them.
QUANTILE, LONGEST = 0.95, 512
DIM = 16
REGRESSION_RATE = 0.05
MONITOR, PATIENCE = "val_loss", 5


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of a training.

    Attributes:
      dim: length of a row, D.
      word_ngrams: number of words of the longest n-grams that get rows.
      min_count: number of training texts that a word or pair must be in.
      epochs: largest number of passes over the training texts.
      batch_size: number of texts in a step.
      learning_rate: initial learning rate, which falls linearly to 0.
      hidden: width of a hidden layer; 0 for none.
    """

    dim: int
    word_ngrams: int
    min_count: int
    epochs: int
    batch_size: int
    learning_rate: float
    hidden: int = 0

    def __post_init__(self) -> None:
        for name in ("dim", "word_ngrams", "min_count", "epochs", "batch_size"):
            check_count(name, getattr(self, name))
        check_count("hidden", self.hidden, least=0)
        check_positive("learning_rate", self.learning_rate)


def choose_settings(n_texts: int, n_labels: int, chosen: dict[str, Any]) -> Settings:
    """Return settings for a number of training texts and of classes.

    Args:
      n_texts: number of training texts.
      n_labels: number of classes or labels; 0 for a regression.
      chosen: settings by name; None stands for the default.

    Example:
      >>> few, many = choose_settings(1_000, 2, {}), choose_settings(25_000, 2, {})
      >>> few.epochs > many.epochs, few.min_count < many.min_count
      (True, True)
    """
    defaults: dict[str, Any] = {
        "dim": DIM,
        "word_ngrams": 2,
        "min_count": min(max(n_texts // 5_000, 1), 5),
        "epochs": min(max(math.ceil(100_000 / n_texts), 5), 20),
        "batch_size": min(max(n_texts // 32, 4), 32),
        "learning_rate": min(0.01 * n_labels, 0.1) if n_labels else REGRESSION_RATE,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    settings = Settings(**defaults | given)
    size = min(settings.batch_size, n_texts)
    return dataclasses.replace(settings, batch_size=size)


def train_network(
    bags: Bags,
    rows: Ragged,
    targets: np.ndarray,
    *,
    task: Task,
    settings: Settings,
    validation: tuple[Ragged, np.ndarray] | None,
    balanced: bool,
    vectors: WordVectors | None,
    frozen: bool,
    seed: int,
    run: dict[str, Any],
) -> tuple[Params, train.History]:
    """Train a network, and return its parameters and history.

    Args:
      bags: encoder of the texts.
      rows: rows of the training texts.
      targets: their targets, of :meth:`Task.encode`.
      task: the kind of the targets.
      settings: settings of the training.
      validation: rows and targets of other texts; the epoch of their least loss wins.
      balanced: whether each class has the same weight in the loss.
      vectors: word vectors to start from.
      frozen: whether the table stays as it starts.
      seed: seed of initial weights, order and draws.
      run: checkpoint, progress and calls of :func:`jaxembed.train.fit`.
    """
    dim = settings.dim if vectors is None else vectors.dim
    network = make_network(
        bags.n_rows, dim, task.n_logits, hidden=settings.hidden, frozen=frozen
    )
    n_steps = settings.epochs * -(-len(rows) // settings.batch_size)
    tx, table_tx = make_optimizers(settings.learning_rate, n_steps, frozen=frozen)
    params = None
    if vectors is not None:
        table = start_table(bags, vectors, np.random.default_rng(seed))
        params = {"embed": {"embedding": table}}
    data: tuple = pad(rows, bags.length), targets
    if balanced:
        data += (balance(targets),)
    stopping = held_out = None
    if validation is not None:
        held_out = pad(validation[0], bags.length), validation[1]
        stopping = train.Stopping(MONITOR, patience=PATIENCE, keep_best=True)
    state, history = train.fit(
        network,
        data,
        tx=tx,
        table_tx=table_tx,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        key=jax.random.key(seed),
        params=params,
        validation=held_out,
        stopping=stopping,
        loss=task.loss,
        **run,
    )
    return jax.tree.map(np.asarray, state.variables["params"]), history


def balance(classes: np.ndarray) -> np.ndarray:
    """Return weights ``float32[N]`` of mean 1, with the same sum for each class.

    Example:
      >>> balance(np.array([0, 0, 0, 1]))
      array([0.6666667, 0.6666667, 0.6666667, 2.       ], dtype=float32)
    """
    _, places, counts = np.unique(classes, return_inverse=True, return_counts=True)
    return (len(classes) / (len(counts) * counts[places])).astype(np.float32)
