"""Trainings: check steps of a linear classifier, then time them in turns."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness.expected_tables import count_distinct
from benchmarks.harness.expected_weights import Weights, are_right, train
from benchmarks.harness.lines import AGAIN, Lines
from benchmarks.harness.machine import find_lack
from benchmarks.harness.turns import Call, measure, require_right
from benchmarks.harness.workloads import Workload

NUMBERS = 2**21  # numbers that a call reads, about: sets its number of steps
MOST_STEPS = 64


class Task(NamedTuple):
    """Initial weights, data and update rule of a training."""

    weights: Weights  # initial weights
    ids: np.ndarray  # int32[n, B, L], n batches
    labels: np.ndarray  # int32[n, B]
    rule: str  # update rule, a key of expected_weights.RULES

    def batch_numbers(self, n_steps: int) -> list[int]:
        """Return the number of the batch of each step; batches repeat in a cycle."""
        return [step % len(self.ids) for step in range(n_steps)]


class Trainer(NamedTuple):
    """Training that continues with each call."""

    # Runs n_steps steps, and returns when they are complete
    call: Callable[[], object]
    n_steps: int  # number of steps per call
    # Returns the given rows of the table, the kernel and the bias
    read: Callable[[np.ndarray], Weights]
    details: dict[str, Any]  # facts for the training's line


class Maker(NamedTuple):
    """Implementation of a training."""

    # Makes a trainer for a task and a number of steps
    make: Callable[[Task, int], Trainer]
    rule: str  # update rule, a key of expected_weights.RULES
    is_dense: bool = False  # whether a step reads the whole table
    tables: int = 2  # number of tables in memory: weights, optimizer state and gradient
    times: int = 1  # factor for the number of steps per call
    # Untimed call before each turn, or None
    prepare: Call | None = None


class Setting(NamedTuple):
    """Inputs of a measurement."""

    workload: Workload  # sizes of the table and the texts
    weights: Weights  # initial weights
    ids: np.ndarray  # int32[n, B, L]
    labels: np.ndarray  # int32[n, B]
    where: dict[str, Any]  # facts for the measurement's line
    # Expected rows and weights by rule and number of steps, added by ``check``
    answers: dict[tuple[str, int], Any]


def fit_into_memory(
    makers: dict[str, Maker], setting: Setting, what: str, lines: Lines
) -> Iterator[dict[str, Maker]]:
    """Yield groups of makers that fit into memory together.

    If all makers do not fit, each is paired with the first; if no pair fits, the first
    is alone.
    """
    row_bytes = 4 * setting.workload.rows_bytes(setting.ids.shape[1])

    def count(names: list[str]) -> int:
        n_tables = sum(makers[name].tables for name in names)
        return n_tables * setting.workload.table_bytes + row_bytes

    first, *others = makers
    if find_lack(count([first, *others])) is None:
        yield makers
        return
    is_timed = False
    for other in others:
        lack = find_lack(count([first, other]))
        if lack is None:
            is_timed = True
            yield {name: makers[name] for name in (first, other)}
        else:
            lines.leave_out(what, other, f"beside jaxembed {lack}", **setting.where)
    if not is_timed and lines.has_room(count([first]), what, first, **setting.where):
        yield {first: makers[first]}


def time_trainings(
    what: str, makers: dict[str, Maker], setting: Setting, budget_s: float, lines: Lines
) -> None:
    """Check the trainings of all implementations, then time them in turns."""
    trainers: dict[str, Trainer] = {}
    for name, maker in makers.items():
        task = Task(setting.weights, setting.ids, setting.labels, maker.rule)
        n_steps = maker.times * count_steps(setting, maker.is_dense)
        trainers[name] = maker.make(task, n_steps)
        check(f"{what}: {name}", trainers[name], setting, maker.rule)
    calls = {name: trainer.call for name, trainer in trainers.items()}
    prepare = {
        name: maker.prepare
        for name, maker in makers.items()
        if maker.prepare is not None
    }
    n_steps_of = {name: trainer.n_steps for name, trainer in trainers.items()}
    n_steps_of[AGAIN] = next(iter(n_steps_of.values()))
    seconds = {
        name: [s / n_steps_of[name] for s in found]
        for name, found in measure(calls, budget_s, prepare).items()
    }
    n_distinct = count_distinct(setting.ids)
    details: dict[str, Any] = {}
    for name, trainer in trainers.items():
        fewest = count_bytes(makers[name], setting.workload, setting.ids, n_distinct)
        details[name] = {"steps": trainer.n_steps, "fewest_bytes": fewest}
        details[name] |= trainer.details
    lines.report(what, seconds, details=details, distinct=n_distinct, **setting.where)


def count_steps(setting: Setting, is_dense: bool) -> int:
    """Return the number of steps per call, such that a call is long enough to time."""
    workload = setting.workload
    numbers = setting.ids[0].size * workload.dim
    numbers += workload.rows * workload.dim * is_dense
    return int(np.clip(NUMBERS // numbers, 2, MOST_STEPS))


def count_bytes(
    maker: Maker, workload: Workload, ids: np.ndarray, n_distinct: int
) -> int:
    """Return the minimum number of bytes that a step reads and writes.

    The step reads the ids, and reads and writes the weights and the moments.
    """
    rule = maker.rule.removesuffix(", torch's").removeprefix("torch's ")
    times = {"SGD": 2, "lazy Adam": 6}.get(rule, 4)
    n_bytes = 4 * ids[0].size + times * workload.length * workload.row_bytes  # the head
    rows = n_distinct * workload.row_bytes
    if maker.is_dense:
        return n_bytes + 6 * workload.table_bytes
    if rule == "frozen":
        return n_bytes + rows
    # RMSprop also keeps the step in which each row was last read.
    return n_bytes + times * rows + 8 * n_distinct * (rule == "RMSprop")


def check(what: str, trainer: Trainer, setting: Setting, rule: str) -> None:
    """Stop unless the first call gives the expected weights.

    Up to a thousand rows that are not read, including the last row, must be unchanged.
    """
    key = rule, trainer.n_steps
    if key not in setting.answers:
        batches = setting.weights, setting.ids, setting.labels
        setting.answers[key] = train(*batches, *key)
    rows, expected = setting.answers[key]
    table = setting.weights.table
    some = np.linspace(0, len(table) - 1, 1_000).astype(int)
    others = np.setdiff1d(some, rows)
    before = setting.weights._replace(table=table[rows])
    trainer.call()
    found = trainer.read(np.concatenate([rows, others]))
    read, unread = np.split(found.table, [len(rows)])
    is_right = are_right(found._replace(table=read), expected, before, rule)
    require_right(is_right and np.array_equal(unread, table[others]), what)
