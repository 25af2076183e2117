"""A replicate of the notebook's second half, against one fit of it in Keras 3 on JAX.

Run:     python -m benchmarks.replicates --data aclImdb_v1.tar.gz \
             --vectors glove.6B.zip/glove.6B.100d.txt
Prints:  JSON lines, for vectors that are frozen and for learned ones: seconds for each
         replicate, of some in one call, and for each ``fit`` of Keras, in turns.

A workload is the table and the length of a text, and a batch is of draws, each of 200
reviews, that are trained in one call; ``chunk`` is how many of them went side by side.

Both are timed from NumPy arrays to metrics, with checks and transfers. Compiling is
apart for both, as ``compile_s``: ours is that of the first call, Keras's is what a
first ``fit`` takes beyond the median of later ones. "keras" is one compiled model that
starts each time from other initial weights, drawn before the clock starts, and a new
optimizer, and validates in batches as large as ours. "keras, as is usual" is a new
model for each draw, compiled anew, that validates in batches of 32.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import _options, _peers
from benchmarks._keras_notebook import VALIDATION_BATCH
from benchmarks._keras_replicate import fit_keras, make_keras, start_anew
from benchmarks._lines import AGAIN, Lines, find_peak
from benchmarks._replicate_task import BATCH_SIZE, HIDDEN, N_TRAIN, Learned, Task
from benchmarks._workloads import Workload
from jaxembed import nn, optim, replicates, text, train, vectors

WHAT = "replicate"
CLOSE = 0.05  # how far apart the mean validation accuracies may be
KEY = jax.random.key(0)
TX = optim.rmsprop()  # one object, so that one program serves all turns
KERAS, NEW_KERAS = "keras", "keras, as is usual"
# Prepares a draw, and gives the call to time.
Turn = Callable[[int], Callable[[], Learned]]


def main(argv: list[str] | None = None) -> None:
    """Checks, then times both arms."""
    parser = _options.make_parser(
        __doc__, peers=("keras",), workloads=("second",), batch_sizes=(12,)
    )
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--vectors", help="by default made from the reviews")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--n-validation", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args(argv)
    lines = _options.open_lines(arguments)
    peers = _peers.find_peers(arguments.peers, WHAT, lines)
    for workload in arguments.workload:
        for frozen in load(arguments, workload):
            for arm, table in (("frozen", frozen.table), ("learned", None)):
                task = frozen._replace(table=table)
                how = "keras" in peers, arguments.repeats, lines
                measure(arm, task, *how, data=Path(arguments.data).name)


def load(arguments: argparse.Namespace, workload: Workload) -> Iterator[Task]:
    """The arm with frozen vectors, for each number of draws."""
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
            f"vectors of {found.dim} numbers are none for the workload {workload.name}."
        )
    table, _ = vectors.embedding_matrix(words, found, workload.rows)
    ids = text.pad_sequences(tokens.train, maxlen=workload.length)
    order = np.random.default_rng(0).permutation(len(ids))
    held_out, pool = np.split(order, [arguments.n_validation])
    labels = tokens.train_labels
    for n_draws in arguments.batch_sizes:
        rows = replicates.draw_examples(KEY, n_draws, pool, N_TRAIN)
        yield Task(workload, ids, labels, rows, held_out, table, arguments.epochs)


def settings(task: Task) -> tuple[nn.TextClassifier, dict[str, Any]]:
    """Model and arguments that replicates and a single run have in common."""
    _, rows, dim, _ = task.workload
    embed = nn.Embed(rows, dim, frozen=task.table is not None)
    model = nn.TextClassifier(embed, nn.FlattenDense(hidden=(HIDDEN,)))
    given = None if task.table is None else {"embed": {"embedding": task.table}}
    held_out = task.ids[task.held_out], task.labels[task.held_out]
    sizes = {"epochs": task.epochs, "batch_size": BATCH_SIZE, "tx": TX}
    return model, {"params": given, "validation": held_out, "progress": False} | sizes


def run(task: Task) -> replicates.Histories:
    """All draws."""
    model, options = settings(task)
    data = task.ids, task.labels
    return replicates.run(model, data, examples=task.rows, key=KEY, **options)


def check(task: Task, histories: replicates.Histories) -> None:
    """Refuses replicates that are not what each is alone."""
    model, options = settings(task)
    data, last = (task.ids, task.labels), len(histories) - 1
    key = jax.random.fold_in(KEY, last)
    _, alone = train.fit(model, data, examples=task.rows[last], key=key, **options)
    found = histories.loss[last], histories.val_loss[last]
    if not np.allclose(found, (alone.loss, alone.val_loss), rtol=1e-5, atol=1e-6):
        raise SystemExit(f"{WHAT}: it is not what it is alone: nothing is timed.")


def measure(
    arm: str, task: Task, with_keras: bool, repeats: int, lines: Lines, **facts: Any
) -> None:
    """Times replicates and fits in turns, and prints their lines."""
    histories = run(task)
    check(task, histories)
    details: dict[str, dict[str, Any]] = {"jaxembed": {"chunk": histories.n_parallel}}
    details["jaxembed"]["compile_s"] = round(histories.seconds["compile"], 4)
    details["jaxembed"]["own_peak_bytes"] = find_peak()  # before Keras has trained
    turns = make_turns(task, with_keras)
    first = {name: time_turn(turn, 0) for name, turn in turns.items()}
    check_losses({name: learned for name, (_, learned) in first.items()})
    seconds, learned = take_turns(turns, repeats)
    check_accuracies(learned)
    for name in ("jaxembed", AGAIN):  # one call is all draws
        seconds[name] = [s / len(task.rows) for s in seconds[name]]
    if with_keras:
        first_s, _ = first[KERAS]
        details[KERAS] = {"compile_s": round(first_s - np.median(seconds[KERAS]), 4)}
    for name in turns:
        found = {"val_accuracy": round(learned[name].accuracy, 4)}
        details[name] = details.get(name, {}) | found
    lines.report(
        f"{WHAT}, {arm}",
        seconds,
        details=details,
        workload=task.workload.name,
        batch_size=len(task.rows),
        epochs=task.epochs,
        validation=len(task.held_out),
        **facts,
    )


def make_turns(task: Task, with_keras: bool) -> dict[str, Turn]:
    """What each implementation does in a turn."""
    turns: dict[str, Turn] = {"jaxembed": lambda _: lambda: learn(task)}
    if with_keras:
        model = make_keras(task)

        def turn(draw: int) -> Callable[[], Learned]:
            new = make_keras(task)

            def fit() -> Learned:
                start_anew(model, new)
                return fit_keras(task, draw, model, VALIDATION_BATCH)

            return fit

        turns[KERAS] = turn
        turns[NEW_KERAS] = lambda draw: lambda: fit_keras(task, draw, make_keras(task))
    return turns


def learn(task: Task) -> Learned:
    """All draws by jaxembed, in the mean."""
    histories = run(task)
    losses = histories.loss.mean(0)
    return Learned(histories.val_accuracy[:, -1].mean(), losses[0], losses[-1])


def check_losses(learned: dict[str, Learned]) -> None:
    """Refuses what has not learned; one draw shows it."""
    for name, (_, first_loss, loss) in learned.items():
        if not loss < first_loss:
            raise SystemExit(
                f"{WHAT}: {name} is wrong: its loss went from {first_loss} to {loss}."
            )


def check_accuracies(learned: dict[str, Learned]) -> None:
    """Refuses what has learned something else, in the mean over draws."""
    accuracies = {name: one.accuracy for name, one in learned.items()}
    if not np.ptp(list(accuracies.values())) <= CLOSE:
        raise SystemExit(f"validation accuracies more than {CLOSE} apart: {accuracies}")


def time_turn(turn: Turn, draw: int) -> tuple[float, Learned]:
    """Seconds of its call, and what it gives."""
    call = turn(draw)
    start = time.perf_counter()
    learned = call()
    return time.perf_counter() - start, learned


def take_turns(
    turns: dict[str, Turn], repeats: int
) -> tuple[dict[str, list[float]], dict[str, Learned]]:
    """Seconds of each, the first's once more as AGAIN; and what all have learned."""
    turns = turns | {AGAIN: turns["jaxembed"]}
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    learned: dict[str, list[Learned]] = {name: [] for name in turns}
    rng = np.random.default_rng(0)
    for repeat in range(repeats):
        for name in rng.permutation(list(turns)).tolist():
            one_s, one = time_turn(turns[name], repeat)
            seconds[name].append(one_s)
            learned[name].append(one)
    return seconds, {
        name: Learned(*np.mean(all_of, axis=0).tolist())
        for name, all_of in learned.items()
    }


if __name__ == "__main__":
    main()
