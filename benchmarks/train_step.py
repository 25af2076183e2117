"""A training step, one by one from Python and in a scan, against Flax, Keras and torch.

Run:     python -m benchmarks.train_step
         python -m benchmarks.train_step --workload first --batch-sizes 32 --ids zipf
Prints:  JSON lines of seconds a step, for each workload, batch size and kind of ids, of
         five trainings of a linear classifier of flattened rows: the table learned
         by a dense RMSprop, by a row-sparse one, by SGD, by a lazy Adam; and frozen.

``jaxembed`` is a jitted step that is called from Python, ``jaxembed, scan`` the same
steps in one program, as ``train.fit`` has them. Flax and Optax have no row-sparse
RMSprop: their step is the dense one, with the same numbers; torch's sparse steps are
SGD and SparseAdam. A call makes ``steps`` steps, and the time is that of one of them.
"""

import argparse
import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks import _memory, _options, _rules, _timing, _workloads
from benchmarks._answers import count_distinct
from benchmarks._lines import AGAIN, Lines
from benchmarks._peers import find_peers, set_apart, set_threads
from benchmarks._trainers import Task, Trainer
from benchmarks._trainings import TRAININGS, Maker
from benchmarks._workloads import Workload

PEERS = ("flax", "keras", "torch")
NUMBERS = 2**21  # that a call reads, about; it makes as many steps
MOST_STEPS = 64


def main(argv: list[str] | None = None) -> None:
    """Checks each training, then times it."""
    parser = _options.make_parser(__doc__, peers=PEERS, ids=True)
    names = [what.removeprefix("train step, ") for what in TRAININGS]
    parser.add_argument("--trainings", nargs="+", choices=names, default=names)
    arguments = parser.parse_args(argv)
    lines = _options.open_lines(arguments)
    peers = find_peers(arguments.peers, "train step", lines)
    # Without it a GPU multiplies with 10 bits, which the check would refuse.
    with jax.default_matmul_precision("highest"):
        for workload in arguments.workload:
            time_workload(workload, peers, arguments, lines)


class Setting(NamedTuple):
    """What a measurement is of.

    Attributes:
      workload: of the table.
      weights: to begin with.
      ids: ``int32[n, B, L]``.
      labels: ``int32[n, B]``.
      where: for its line.
      answers: rows and weights that were found to be right, by rule and steps.
    """

    workload: Workload
    weights: _rules.Weights
    ids: np.ndarray
    labels: np.ndarray
    where: dict[str, Any]
    answers: dict[tuple[str, int], Any]


def time_workload(
    workload: Workload, peers: list[str], arguments: argparse.Namespace, lines: Lines
) -> None:
    """All batch sizes, kinds of ids and trainings of a workload."""
    lack = _memory.find_lack(3 * workload.table_bytes)
    if lack is not None:
        lines.leave_out("train step", "all", lack, workload=workload.name)
        return
    weights = _rules.make_weights(workload.rows, workload.dim, workload.length)
    kinds, texts = _workloads.find_texts(arguments, workload, "train step", lines)
    rng = np.random.default_rng(3)
    for batch_size, kind in itertools.product(arguments.batch_sizes, kinds):
        ids = _workloads.make_ids(kind, workload, batch_size, texts)
        labels = rng.integers(2, size=ids.shape[:2], dtype=np.int32)
        where = {"workload": workload.name, "batch_size": batch_size, "ids": kind}
        setting = Setting(workload, weights, ids, labels, where, {})
        for name in arguments.trainings:
            what = f"train step, {name}"
            makers = {
                implementation: maker
                for implementation, maker in TRAININGS[what].items()
                if implementation.split(",")[0] in ["jaxembed", *peers]
            }
            for some in set_apart(makers):
                for group in fit(some, setting, what, lines):
                    time_group(what, group, setting, arguments.seconds, lines)


def fit(
    makers: dict[str, Maker], setting: Setting, what: str, lines: Lines
) -> Iterator[dict[str, Maker]]:
    """All side by side if memory allows; else each with jaxembed's, or that alone."""
    workload, batch_size = setting.workload, setting.ids.shape[1]

    def find_lack(group: dict[str, Maker]) -> str | None:
        tables = sum(maker.tables for maker in group.values())
        n_bytes = tables * workload.table_bytes + 4 * workload.rows_bytes(batch_size)
        return _memory.find_lack(n_bytes)

    if find_lack(makers) is None:
        yield makers
        return
    first, *others = makers
    is_timed = False
    for other in others:
        pair = {name: makers[name] for name in (first, other)}
        lack = find_lack(pair)
        if lack is None:
            is_timed = True
            yield pair
        else:
            lines.leave_out(what, other, f"beside jaxembed {lack}", **setting.where)
    if not is_timed:
        alone = {first: makers[first]}
        lack = find_lack(alone)
        if lack is None:
            yield alone
        else:
            lines.leave_out(what, first, lack, **setting.where)


def time_group(
    what: str, makers: dict[str, Maker], setting: Setting, budget_s: float, lines: Lines
) -> None:
    """Trainings that take turns, each checked before."""
    trainers: dict[str, Trainer] = {}
    for name, maker in makers.items():
        task = Task(setting.weights, setting.ids, setting.labels, maker.rule)
        batch_size = setting.ids.shape[1]
        n_steps = count_steps(setting.workload, batch_size, maker.is_dense)
        n_steps *= maker.times
        trainers[name] = maker.make(task, n_steps)
        check(f"{what}: {name}", trainers[name], setting, maker.rule)
    calls = {name: trainer.call for name, trainer in trainers.items()}
    prepare = {
        name: partial(set_threads, maker.n_threads)
        for name, maker in makers.items()
        if name.startswith("torch")
    }
    found = _timing.measure(calls, budget_s, prepare)
    n_steps_of = {name: trainer.n_steps for name, trainer in trainers.items()}
    n_steps_of[AGAIN] = next(iter(n_steps_of.values()))
    seconds = {name: [s / n_steps_of[name] for s in found[name]] for name in found}
    n_distinct = count_distinct(setting.ids)
    details: dict[str, Any] = {}
    for name, trainer in trainers.items():
        fewest = count_bytes(makers[name], setting.workload, setting.ids, n_distinct)
        details[name] = {"steps": trainer.n_steps, "fewest_bytes": fewest}
        details[name] |= trainer.details
    lines.report(what, seconds, details=details, distinct=n_distinct, **setting.where)


def count_steps(workload: Workload, batch_size: int, is_dense: bool) -> int:
    """So many that a call is long enough to be timed, and not longer."""
    numbers = batch_size * workload.length * workload.dim
    numbers += workload.rows * workload.dim * is_dense
    return int(np.clip(NUMBERS // numbers, 2, MOST_STEPS))


def count_bytes(
    maker: Maker, workload: Workload, ids: np.ndarray, n_distinct: int
) -> int:
    """The fewest of a step: ids, and weights and moments read and written once."""
    rule = maker.rule.removesuffix(", torch's").removeprefix("torch's ")
    times = {"SGD": 2, "lazy Adam": 6}.get(rule, 4)
    n_bytes = 4 * ids[0].size + times * workload.length * workload.row_bytes  # the head
    rows = n_distinct * workload.row_bytes
    if maker.is_dense:
        return n_bytes + 6 * workload.table_bytes
    if rule == "frozen":
        return n_bytes + rows
    # Of RMSprop there is also when each row was last read.
    return n_bytes + times * rows + 8 * n_distinct * (rule == "RMSprop")


def check(what: str, trainer: Trainer, setting: Setting, rule: str) -> None:
    """Refuses a training whose first call gives other weights than float64's.

    Of the rows that it does not read it looks at a thousand, the last one among them:
    they must be as they were.
    """
    key = rule, trainer.n_steps
    if key not in setting.answers:
        batches = setting.weights, setting.ids, setting.labels
        setting.answers[key] = _rules.train(*batches, *key)
    rows, expected = setting.answers[key]
    table = setting.weights.table
    some = np.linspace(0, len(table) - 1, 1_000).astype(int)
    others = np.setdiff1d(some, rows)
    before = setting.weights._replace(table=table[rows])
    trainer.call()
    found = trainer.read(np.concatenate([rows, others]))
    read, unread = np.split(found.table, [len(rows)])
    is_right = _rules.are_right(found._replace(table=read), expected, before, rule)
    if not is_right or not np.array_equal(unread, table[others]):
        raise SystemExit(f"{what} is wrong: there is nothing to time.")


if __name__ == "__main__":
    main()
