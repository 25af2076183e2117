"""Draws: training of one arm on many draws of reviews, with resumption."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from experiments import _cli, _process, _resume, _setup
from experiments._arms import Arm, Comparison, Reviews
from jaxembed import optim, replicates, stats

# Accuracies to compare, and their epochs.
EPOCHS = {
    "val_accuracy_best": "at the best epoch of each draw",
    "val_accuracy_final": "at the last epoch",
}
METRICS = (*EPOCHS, "accuracy_final")


def journal_path(config: _cli.Options, arm: Arm, n_train: int) -> Path:
    """Return the path of an arm's finished draws, which differs between settings."""
    return _resume.save_path(config, f"{arm}-{n_train}", ".json")


def finish(config: _cli.Options, arms: Sequence[Arm], sizes: Sequence[int]) -> None:
    """Move the files of finished draws to the folder ``finished``."""
    pairs = itertools.product(arms, sizes)
    _resume.finish([journal_path(config, arm, size) for arm, size in pairs])


def train_arm(
    config: _cli.Options,
    comparison: Comparison,
    reviews: Reviews,
    arm: Arm,
    *,
    n_train: int,
    n_draws: int,
) -> replicates.Histories:
    """Train one arm on many draws, with the draws and heads that all arms share.

    The file :func:`journal_path` keeps the metrics of finished draws. An interrupted
    run resumes from this file, and a finished run reports it.

    Args:
      config: Random seed, and all settings that identify a draw.
      comparison: Network, training and memory.
      reviews: Data from :func:`experiments._arms.load`.
      arm: Arm to train.
      n_train: Number of reviews in a draw.
      n_draws: Number of draws.
    """
    setup, table = comparison.setup, reviews.table
    ids, labels, held_out = reviews.ids, reviews.labels, reviews.held_out
    # Sizes have independent draws: the interval of a crossover assumes it.
    key = jax.random.fold_in(jax.random.key(config.seed), n_train)
    journal = journal_path(config, arm, n_train)
    _resume.begin(journal)
    n_done = min(count_finished(journal), n_draws)
    if journal.exists():
        size = f"{arm}, {n_train:,} reviews"
        print(f"{size}: draws finished: {n_done} of {n_draws}", flush=True)
    with _process.training(journal):
        histories = replicates.run(
            _setup.make_model(setup, *table.shape, frozen=arm == "frozen"),
            (ids, labels),
            examples=replicates.draw_examples(key, n_draws, reviews.pool, n_train),
            tx=optim.rmsprop(setup.learning_rate),
            epochs=setup.epochs,
            batch_size=setup.batch_size,
            key=key,
            params=None if arm == "learned" else {"embed": {"embedding": table}},
            validation=(ids[held_out], labels[held_out]),
            unfreeze_after=setup.unfreeze_after if arm == "fine-tuned" else 0,
            memory=int(comparison.memory_gib * 2**30),
            n_parallel=comparison.n_parallel,
            checkpoint=journal,
            stop=_process.is_interrupted,
        )
    if n_done < n_draws:
        each = histories.seconds["run"] / (n_draws - n_done)
        histories.seconds["per_replicate"] = each
    return histories


def count_finished(journal: Path) -> int:
    """Return the number of finished draws in a file, or 0 if it cannot be read."""
    try:
        lines = journal.read_text().splitlines()
        return sum("replicate" in json.loads(line) for line in lines)
    except (OSError, ValueError, TypeError, RecursionError):
        return 0  # replicates.run reports damaged lines


def pick_epochs(histories: replicates.Histories) -> dict[str, np.ndarray]:
    """Return accuracies at the best and the last epoch of each draw; epochs from 1.

    Raises:
      ValueError: If an accuracy is not finite.
    """
    best, epochs = stats.best_epoch(histories.val_accuracy)
    return {
        "val_accuracy_best": best,
        "best_epoch": epochs + 1,
        "val_accuracy_final": stats.final_epoch(histories.val_accuracy),
        "accuracy_final": stats.final_epoch(histories.accuracy),
    }
