"""Draws: the reviews, draws and word vectors of benchmarks.replicates."""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np

from benchmarks.harness.workloads import Workload
from jaxembed import replicates, text, vectors

N_TRAIN = 200  # training reviews of a draw
KEY = jax.random.key(0)


class Task(NamedTuple):
    """Reviews, draws, and the table of one arm."""

    workload: Workload  # sizes of the table and of the texts
    ids: np.ndarray  # int32[N, L]
    labels: np.ndarray  # int[N]
    draws: np.ndarray  # int32[K, n], training examples of each draw
    held_out: np.ndarray  # int[M], validation examples
    table: np.ndarray | None  # float32[V, D], frozen; None for a learned table
    epochs: int  # number of epochs

    @property
    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids and labels of the validation examples."""
        return self.ids[self.held_out], self.labels[self.held_out]


def load(arguments: argparse.Namespace, workload: Workload) -> Iterator[Task]:
    """Yield the task with frozen vectors, for each number of draws."""
    tokens = text.load_imdb_tokens(
        arguments.data, text.Tokenizer(workload.rows), cache_dir=arguments.cache
    )
    words = tokens.tokenizer.word_index
    if arguments.vectors:
        found = vectors.load(arguments.vectors, vocabulary=words)
    else:
        texts = tokens.unlabelled if len(tokens.unlabelled) else tokens.train
        found = vectors.ppmi(texts, tokens.tokenizer, workload.dim)
    if found.dim != workload.dim:
        raise SystemExit(
            f"Vectors of {found.dim} numbers do not fit the workload {workload.name}: "
            f"set the row length in --workload to {found.dim}."
        )
    table, _ = vectors.embedding_matrix(words, found, workload.rows)
    ids = text.pad_sequences(tokens.train, maxlen=workload.length)
    order = np.random.default_rng(0).permutation(len(ids))
    held_out, pool = np.split(order, [arguments.n_validation])
    labels = tokens.train_labels
    for n_draws in arguments.batch_sizes:
        draws = replicates.draw_examples(KEY, n_draws, pool, N_TRAIN)
        yield Task(workload, ids, labels, draws, held_out, table, arguments.epochs)
