"""Whole reviews: flat, pooled, convolution, recurrent, attention.

Notebook:  its last lines propose recurrent layers or 1D convolutional layers on top of
           the embedded sequences
Run:       python -m experiments.imdb_sequence --data aclImdb_v1.tar.gz
           --vectors glove.6B.zip/glove.6B.100d.txt --validation-fraction 0
           python -m experiments.imdb_sequence --heads convolution --starts learned
Expect:    a table of test accuracies, of which pooled is 0.89; an hour on two CPU
           cores for all heads, vectors and three seeds, minutes for one head
Writes:    runs/imdb_sequence/{metrics.json, table.csv, accuracy_seconds.png,
           curves-HEAD-START.png, finished/}

The vectors are learned from random ones; or GloVe, frozen; or GloVe, trained further;
or made from the words around each word in the reviews without labels, and trained
further. With --validation-fraction 0 the heads are trained on all training reviews and
tested; otherwise they are compared on the validation reviews. The same command resumes
an interrupted run.
"""

import dataclasses
import time
from pathlib import Path
from typing import Annotated

import jax
import numpy as np

from experiments import (
    _cli,
    _heads,
    _results,
    _resume,
    _reviews,
    _rows,
    _sequences,
    _vectors,
)
from jaxembed import plot, text, train

LENGTHS = (100, 200, 300)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_cli.Options):
    """Heads and vectors to compare.

    Attributes:
      heads: Heads to compare.
      starts: Word vectors to compare.
      num_words: Number of ids for padding and the most frequent words.
      length: Number of words to read of each review; a longer review loses its start.
      seeds: Number of seeds of each head; the first is --seed.
      epochs: Number of passes over the reviews; 0 for the number of each head.
      validation_fraction: Share of the training reviews to validate on. With 0 all
        training reviews are used for training, and the test reviews for the accuracy.
      block: Number of the contiguous block of reviews to validate on, from 0.
    """

    out: Path = Path("runs/imdb_sequence")
    heads: Annotated[
        tuple[_heads.Name, ...],
        _cli.flag(f"{{{','.join(_heads.HEADS)}}} ...", default="all"),
    ] = ("flatten", "pooled", "convolution", "recurrent", "attention")
    starts: tuple[_heads.Start, ...] = (
        "learned",
        "glove-frozen",
        "glove-trained",
        "reviews-trained",
    )
    num_words: int = 30_000
    length: int = 400
    seeds: int = 3
    epochs: int = 0
    validation_fraction: float = 0.1
    block: int = 0
    pretrained: _vectors.Pretrained = _vectors.Pretrained()


def run(config: Config) -> None:
    """Train all heads with all vectors, and compare them."""
    data = _reviews.choose_data(config.data)
    config = dataclasses.replace(config, data=data)
    n_runs = len(config.heads) * len(config.starts) * config.seeds
    facts = f"{_reviews.describe(data)}, {n_runs} trainings from seed {config.seed}"
    _results.begin("imdb_sequence", facts, config.out)
    tokens = text.load_imdb_tokens(data, cache_dir=config.cache)
    reviews = _sequences.make_reviews(
        tokens,
        num_words=config.num_words,
        length=config.length,
        fraction=config.validation_fraction,
        block=config.block,
    )
    part = "validation" if config.validation_fraction else "test"
    print(f"{len(reviews.examples)} reviews to train on; {part} accuracy of ", end="")
    print(f"{len(reviews.measured[1])} reviews", flush=True)
    rows, saves = [], []
    for start in config.starts:
        table = _sequences.make_table(
            start, tokens, config, pretrained=config.pretrained, n_rows=config.num_words
        )
        for head in config.heads:
            row, used = compare_seeds(head, start, table, reviews, config)
            rows.append(row)
            saves += used
    rows.sort(key=lambda row: -row.is_correct.mean())
    copies = None
    if part == "test":
        copies = _reviews.find_copies(tokens.train, tokens.test)
        print(f"{copies.sum()} of the test reviews are also training reviews")
    lines = _rows.make_lines(rows, copies)
    _rows.print_table(lines)
    _results.write_csv(
        config.out / "table.csv",
        _rows.COLUMNS,
        ([line[c] for c in _rows.COLUMNS] for line in lines),
    )
    plot.accuracy_seconds(
        {
            f"{row.head}, {row.start}": (row.seconds, row.is_correct.mean())
            for row in rows
        },
        config.out / "accuracy_seconds.png",
        f"Heads on whole reviews; {_reviews.shorten(data)}; {config.seeds} seeds",
        ylabel=f"{part} accuracy",
    )
    result = {"data": tokens.description, "part": part, "rows": lines}
    result |= {"runs": [row.facts for row in rows], "config": _results.as_json(config)}
    _results.write_metrics(config.out, "imdb_sequence", result)
    _resume.finish(saves)


def compare_seeds(
    head: str,
    start: str,
    table: np.ndarray | None,
    reviews: _sequences.Reviews,
    config: Config,
) -> tuple[_rows.Row, list[Path]]:
    """Train a head once for each seed; return its results and its saves."""
    name, is_correct, seconds, saves = f"{head}-{start}", [], [], []
    histories = []
    for seed in range(config.seed, config.seed + config.seeds):
        print(f"{head}, {start}, seed {seed}", flush=True)
        own = dataclasses.replace(config, heads=(), starts=(), seeds=1, seed=seed)
        save = _resume.save_path(own, name, f"-{seed}")
        correct, history = train_head(
            head, start, table, reviews=reviews, config=own, save=save
        )
        print(
            f"accuracy {correct.mean():.4f}, {history.seconds['run']:.1f} s of training"
        )
        is_correct.append(correct)
        seconds.append(history.seconds["run"])
        histories.append(history)
        saves.append(save)
    title = _results.make_title(f"{head}, {start} vectors", config)
    plot.curves(histories[0], config.out / f"curves-{name}.png", title)
    facts = {
        "head": head,
        "start": start,
        "accuracies": [float(correct.mean()) for correct in is_correct],
        "seconds": [history.seconds for history in histories],
        "histories": [history.metrics() for history in histories],
    }
    found = np.stack(is_correct)
    return _rows.Row(head, start, found, float(np.median(seconds)), facts), saves


def train_head(
    head: str,
    start: str,
    table: np.ndarray | None,
    *,
    reviews: _sequences.Reviews,
    config: Config,
    save: Path,
) -> tuple[np.ndarray, train.History]:
    """Train a head with one seed; return which predictions are correct."""
    chosen = _heads.choose(head, start)
    if config.epochs:
        chosen = chosen._replace(epochs=config.epochs)
    dim = chosen.dim if table is None else table.shape[1]
    model = _heads.make_model(chosen, config.num_words, dim, start)
    tx, table_tx = _heads.make_optimizers(chosen, len(reviews.examples), start)
    lengths = [n for n in LENGTHS if n < config.length] if chosen.any_length else None
    validation = reviews.measured if config.validation_fraction else None
    state, history = _resume.fit(
        model,
        (reviews.ids, reviews.labels),
        save=save,
        tx=tx,
        table_tx=table_tx,
        epochs=chosen.epochs,
        batch_size=min(chosen.batch_size, len(reviews.examples)),
        key=jax.random.key(config.seed),
        params=None if table is None else {"embed": {"embedding": table}},
        examples=reviews.examples,
        validation=validation,
        lengths=lengths,
    )
    ids, labels = reviews.measured
    start_time = time.perf_counter()
    logits = train.predict(model, state.variables, ids, lengths=lengths)
    history.seconds["predict"] = time.perf_counter() - start_time
    return (logits > 0) == labels, history


if __name__ == "__main__":
    _cli.main(Config, run)
