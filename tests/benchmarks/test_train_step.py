"""Benchmark of training steps: weights checked against float64, then timed."""

import sys

import jax
import numpy as np
import pytest

from benchmarks import train_step
from benchmarks.harness import expected_weights, trainings, workloads
from benchmarks.peers import torch

SMALL = ["--workload", "40x3x5", "--batch-sizes", "4", "--seconds", "0"]
WORKLOAD = workloads.parse_workload("40x3x5")


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    monkeypatch.setattr(trainings, "MOST_STEPS", 10)


def make_task(rule):
    ids = workloads.make_ids("zipf", WORKLOAD, 4)
    labels = np.random.default_rng(0).integers(2, size=ids.shape[:2], dtype=np.int32)
    return trainings.Task(expected_weights.make_weights(40, 3, 5), ids, labels, rule)


@pytest.mark.long
def test_each_training_has_its_lines(monkeypatch, read_lines):
    monkeypatch.setitem(sys.modules, "torch", None)
    names = ["dense", "lazy Adam", "frozen"]
    train_step.main([*SMALL, "--ids", "zipf", "--trainings", *names])
    missing, *lines = read_lines()
    assert "torch is missing" in missing["left_out"]
    found = {f"train step, {name}": [] for name in names}
    for line in lines:
        found[line["what"]].append(line["implementation"])
        times = 4 if line["implementation"] == "keras" else 1
        assert line["steps"] == 10 * times and line["workload"] == "40x3x5"
        assert line["median_s"] * line["steps"] < 60
    for what, names in found.items():
        makers = train_step.TRAININGS[what]
        assert names == [name for name in makers if not name.startswith("torch")]


@pytest.mark.parametrize(
    "rule", ["torch's RMSprop", "SGD, torch's", "lazy Adam, torch's", "frozen, torch's"]
)
def test_torch_learns_what_float64_does(rule):
    pytest.importorskip("torch", reason="torch is in the extra bench")
    task = make_task(rule)
    rows, expected = expected_weights.train(
        task.weights, task.ids, task.labels, rule, 10
    )
    before = task.weights._replace(table=task.weights.table[rows])
    trainer = torch.make_trainer(task, 10)
    trainer.call()
    assert expected_weights.are_right(trainer.read(rows), expected, before, rule)


@pytest.mark.parametrize("rule", ["RMSprop", "SGD", "lazy Adam", "frozen"])
def test_scan_and_loop_learn_what_float64_does(rule):
    task = make_task(rule)
    rows, expected = expected_weights.train(
        task.weights, task.ids, task.labels, rule, 10
    )
    before = task.weights._replace(table=task.weights.table[rows])
    for make in (train_step.make_loop, train_step.make_scan):
        trainer = make(task, 10)
        assert rule == "frozen" or not expected_weights.are_right(
            trainer.read(rows), expected, before, rule
        )
        trainer.call()
        assert expected_weights.are_right(trainer.read(rows), expected, before, rule)
        trainer.call()
        assert not expected_weights.are_right(
            trainer.read(rows), expected, before, rule
        )


@pytest.mark.parametrize("is_dense", [True, False])
@pytest.mark.parametrize("batch_size", [4, 16])  # 20 and 80 ids of 40 rows
def test_the_form_of_the_table_does_not_depend_on_the_batch(is_dense, batch_size):
    task = make_task("RMSprop")
    ids = np.resize(task.ids, (2, batch_size, 5))
    _, state, _ = train_step._start(task._replace(ids=ids), is_dense)
    assert ("embed" in state.params, "embed" in state.tables) == (
        is_dense,
        not is_dense,
    )


def test_the_gradients_of_float64_are_those_of_jax():
    task = make_task("SGD")
    weights = expected_weights.Weights(
        *(part.astype(np.float32) for part in task.weights)
    )

    def mean_loss(weights):
        rows = weights.table[task.ids[0]].reshape(4, -1)
        logits = (rows @ weights.kernel)[:, 0] + weights.bias
        return (jax.nn.softplus(logits) - logits * task.labels[0]).mean()

    expected = jax.grad(mean_loss)(jax.tree.map(jax.numpy.asarray, weights))
    found, is_read = expected_weights.find_gradients(
        weights, task.ids[0], task.labels[0]
    )
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-7)
    np.testing.assert_array_equal(np.flatnonzero(is_read), np.unique(task.ids[0]))


def test_a_wrong_update_is_refused_before_it_is_timed(monkeypatch, read_lines):
    sparse_sgd = train_step.optim.sparse_sgd

    def wrongly(rate):
        right = sparse_sgd(rate)

        def update(row_grads, *rest, **options):
            return right.update(row_grads * 0.9, *rest, **options)

        return right._replace(update=update)

    monkeypatch.setattr(train_step.optim, "sparse_sgd", wrongly)
    flags = ["--ids", "zipf", "--trainings", "SGD", "--peers"]
    with pytest.raises(SystemExit, match="train step, SGD: jaxembed is wrong"):
        train_step.main([*SMALL, *flags])
    assert read_lines() == []


def test_a_step_that_moves_another_row_is_refused(monkeypatch, read_lines):
    sparse_sgd = train_step.optim.sparse_sgd

    def wrongly(rate):
        right = sparse_sgd(rate)

        def update(*arguments, **options):
            table, state = right.update(*arguments, **options)
            return table.at[-1].add(1e-6), state

        return right._replace(update=update)

    monkeypatch.setattr(train_step.optim, "sparse_sgd", wrongly)
    flags = ["--ids", "equal", "--trainings", "SGD", "--peers"]
    with pytest.raises(SystemExit, match="train step, SGD: jaxembed is wrong"):
        train_step.main([*SMALL, *flags])
    assert read_lines() == []


def test_weights_that_are_no_numbers_are_wrong():
    before = expected_weights.make_weights(40, 3, 5)
    after = expected_weights.Weights(*(part + np.float32(0.1) for part in before))
    assert expected_weights.are_right(after, after, before, "SGD")
    bad = after._replace(table=np.where(np.arange(40)[:, None] == 3, np.nan, 1.0))
    assert not expected_weights.are_right(bad, after, before, "SGD")
    assert not expected_weights.are_right(before, after, before, "SGD")
    two = after._replace(bias=np.zeros(2))
    assert not expected_weights.are_right(two, after, before, "SGD")


@pytest.mark.parametrize("rule", ["SGD", "lazy Adam"])
def test_a_rare_row_is_held_to_its_own_way(rule):
    before = expected_weights.make_weights(400, 3, 5)
    ways = np.full((400, 1), 1e-4)
    ways[0] = 1.0  # row of a frequent word
    after = before._replace(table=before.table + ways)
    for share, is_right in ((1.1, False), (1.001, True)):
        shares = np.where(np.arange(400) == 399, share, 1)[:, None]
        found = before._replace(table=before.table + ways * shares)
        assert expected_weights.are_right(found, after, before, rule) == is_right


def test_trainings_that_do_not_fit_together_are_paired(monkeypatch, read_lines):
    # four tables of 480 bytes and four times the rows of a batch fit, eight do not
    free = (5 * 480 + 4 * 4 * 5 * 12) / 0.9
    monkeypatch.setattr("benchmarks.harness.machine.find_free", lambda: free)
    flags = ["--ids", "zipf", "--trainings", "row-sparse", "--peers", "flax"]
    train_step.main([*SMALL, *flags])
    *lines, left_out = read_lines()
    names = [line["implementation"] for line in lines]
    assert names == ["jaxembed", "jaxembed, scan"]
    assert left_out["implementation"] == "flax" and "GiB" in left_out["left_out"]
    assert left_out["batch_size"] == 4


def test_the_fewest_bytes_of_a_step():
    ids = np.zeros((8, 4, 5), np.int32)
    dense, sparse, sgd, adam, frozen = (
        trainings.count_bytes(
            next(iter(train_step.TRAININGS[f"train step, {name}"].values())),
            WORKLOAD,
            ids,
            7,
        )
        for name in ("dense", "row-sparse", "SGD", "lazy Adam", "frozen")
    )
    rows, head = 7 * 12, 5 * 12
    assert dense == 80 + 4 * head + 6 * 40 * 12
    assert sparse == 80 + 4 * head + 4 * rows + 8 * 7
    assert sgd == 80 + 2 * head + 2 * rows
    assert adam == 80 + 6 * head + 6 * rows
    assert frozen == 80 + 4 * head + rows


@pytest.mark.parametrize(("n_tables", "names"), [(4, ["jaxembed"]), (3.9, [])])
def test_where_no_pair_fits_jaxembed_is_timed_alone(
    monkeypatch, read_lines, n_tables, names
):
    free = (n_tables * 480 + 4 * 4 * 5 * 12) / 0.9 + 1e-6
    monkeypatch.setattr("benchmarks.harness.machine.find_free", lambda: free)
    flags = ["--ids", "zipf", "--trainings", "dense", "--peers", "flax"]
    train_step.main([*SMALL, *flags])
    lines = read_lines()
    timed = [line["implementation"] for line in lines if "left_out" not in line]
    left_out = [line["implementation"] for line in lines if "left_out" in line]
    others = ["jaxembed, scan", "flax"]
    assert (timed, left_out) == (names, others + ["jaxembed"] * (not names))
