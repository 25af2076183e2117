"""Table operations: lookup, bag and folded are checked, then timed in turns."""

import json
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import bag, folded, lookup
from benchmarks.harness import expected_tables, workloads
from benchmarks.peers import torch

SMALL = ["--workload", "30x5x6", "--batch-sizes", "4", "--seconds", "0"]
PEERS = {
    "lookup": ["flax", "keras", "numpy"],
    "lookup with gradient": ["flax", "keras"],
    "lookup with gradient of rows": [],
    "bag": ["flax", "keras", "numpy"],
    "bag with gradient": ["flax", "keras"],
    "classifier": ["flax"],
}
OURS = ["jaxembed", "jaxembed, ids checked"]
FIRST = {
    "lookup with gradient of rows": OURS[1:],
    "classifier": ["jaxembed, folded", "jaxembed"],
}


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.mark.parametrize("benchmark", [lookup, bag, folded], ids=lambda m: m.__name__)
def test_each_implementation_has_a_line(no_torch, benchmark, read_lines):
    benchmark.main([*SMALL, "--ids", "equal"])
    missing, *lines = read_lines()
    assert missing["implementation"] == "torch"
    assert "pip install '.[bench]'" in missing["left_out"]
    found: dict[str, list[str]] = {}
    for line in lines:
        found.setdefault(line["what"], []).append(line["implementation"])
    whats = [operation.what for operation in benchmark.OPERATIONS]
    assert found == {what: FIRST.get(what, OURS) + PEERS[what] for what in whats}
    for line in lines:
        assert (line["workload"], line["batch_size"]) == ("30x5x6", 4)
        assert line["ids"] == "equal" and line["distinct"] == 1
        assert line["p10_s"] <= line["median_s"] <= line["p90_s"]
        assert line["repeats"] == 5 and line["a_a"] > 0
        is_compiled = line["implementation"] != "numpy"
        assert is_compiled == ("compile_s" in line) and line.get("compile_s", 1) > 0
        assert line["copy_share"] == pytest.approx(
            line["fewest_bytes"] / line["median_s"] / 1e9 / line["copy_gb_per_s"], 1e-2
        )
        assert line["peak_bytes"] > 0 and line["versions"]["jax"]


def test_the_fewest_bytes():
    workload = workloads.Workload("", rows=30, dim=5, length=6)
    # 24 ids, 7 distinct rows of 20 bytes, and the result
    assert lookup.count_rows(workload, 4, 7) == 24 * 4 + 7 * 20 + 24 * 20
    assert lookup.count_gradient(workload, 4, 7) == 24 * 4 + 7 * 20 + 30 * 20
    assert bag.count_bags(workload, 4, 7) == 24 * 4 + 7 * 20 + 4 * 20
    assert bag.count_gradient(workload, 4, 7) == 24 * 4 + 11 * 20 + 30 * 20
    assert folded.count_folded(workload, 4, 7) == 24 * 4 + 7 * 4 + 4 * 4


@pytest.mark.parametrize("benchmark", [lookup, bag, folded], ids=lambda m: m.__name__)
def test_torch_is_timed(benchmark, read_lines):
    pytest.importorskip("torch", reason="torch is in the extra bench")
    benchmark.main([*SMALL, "--ids", "uniform", "--peers", "torch"])
    found = {(x["what"], x["implementation"]) for x in read_lines()}
    for operation in benchmark.OPERATIONS:
        assert {(operation.what, name) for name in operation.of_torch} <= found


def test_a_sparse_gradient_has_its_own_fewest_bytes(read_lines):
    pytest.importorskip("torch", reason="torch is in the extra bench")
    bag.main([*SMALL, "--ids", "equal", "--peers", "torch"])
    fewest = {
        line["implementation"]: line["fewest_bytes"]
        for line in read_lines()
        if line["what"] == "bag with gradient"
    }
    # 24 ids, one distinct: 25 rows of 20 bytes; or a dense gradient of 30 rows.
    assert fewest.pop("torch, sparse") == 24 * 4 + 25 * 20
    assert set(fewest.values()) == {24 * 4 + 5 * 20 + 30 * 20}


@pytest.mark.parametrize(
    "wrong", [lambda bag: bag + 1e-4, lambda bag: bag * jnp.nan, lambda bag: bag[:, :1]]
)
def test_a_wrong_bag_is_refused_before_it_is_timed(
    no_torch, monkeypatch, read_lines, wrong
):
    right = bag.nn.embedding_bag

    def wrongly(table, ids, mode="fill"):
        found = right(table, ids, mode=mode)
        return wrong(found) if mode == "promise_in_bounds" else found

    monkeypatch.setattr(bag.nn, "embedding_bag", wrongly)
    with pytest.raises(SystemExit, match="bag: jaxembed, ids checked is wrong"):
        bag.main([*SMALL, "--ids", "zipf"])
    assert all("left_out" in line for line in read_lines())


def test_a_wrong_gradient_is_refused(no_torch, monkeypatch, read_lines):
    right = lookup.half_squares
    monkeypatch.setattr(
        lookup, "half_squares", lambda f: lambda *of: right(f)(*of).at[0].add(1e-3)
    )
    with pytest.raises(SystemExit, match="lookup with gradient: jaxembed is wrong"):
        lookup.main([*SMALL, "--ids", "zipf"])
    assert {line["what"] for line in read_lines()} == {"lookup"}


def test_a_wrong_fold_is_refused(no_torch, monkeypatch):
    fold = folded.nn.fold

    def wrongly(model, variables):
        small, variables = fold(model, variables)
        params = variables["params"]
        return small, {"params": params | {"head": {"bias": jnp.full(1, 1e-3)}}}

    monkeypatch.setattr(folded.nn, "fold", wrongly)
    with pytest.raises(SystemExit, match="jaxembed, folded is wrong"):
        folded.main([*SMALL, "--ids", "zipf"])


def test_without_reviews_real_ids_are_left_out(no_torch, read_lines):
    lookup.main([*SMALL, "--ids", "real"])
    reasons = [line["left_out"] for line in read_lines()]
    assert reasons[1:] == [
        "real ids need --data, a folder or an archive of real reviews"
    ]


def test_real_ids_are_those_of_reviews(no_torch, make_archive, tmp_path, read_lines):
    flags = ["--ids", "real", "--data", str(make_archive()), "--peers"]
    bag.main([*SMALL, *flags, "--cache", str(tmp_path / "cache")])
    assert {line["ids"] for line in read_lines()} == {"real"}


def test_sizes_that_do_not_fit_into_memory_are_left_out(
    no_torch, monkeypatch, read_lines
):
    monkeypatch.setattr("benchmarks.harness.machine.find_free", lambda: 100_000)
    lookup.main([*SMALL, "--peers", "--batch-sizes", "4", "4000", "--ids", "zipf"])
    left_out = [line for line in read_lines() if "left_out" in line]
    assert {line["batch_size"] for line in left_out} == {4000}
    assert "GiB of free memory may be used" in left_out[0]["left_out"]


def test_lines_are_appended_to_a_file(no_torch, tmp_path, capsys):
    out = tmp_path / "new" / "lines.jsonl"
    flags = [*SMALL, "--peers", "numpy", "--ids", "zipf", "--out", str(out)]
    lookup.main(flags)
    first = out.read_text()
    lookup.main(flags)
    assert out.read_text().startswith(first) and len(out.read_text()) > len(first)
    assert out.read_text() == capsys.readouterr().out
    assert all(json.loads(line) for line in first.splitlines())


def test_answers_and_their_gradients():
    workload = workloads.Workload("", 9, 3, 4)
    table = workloads.make_table(workload)
    ids = workloads.make_ids("uniform", workload, 2)[5]
    bags = expected_tables.answer_bags(table, ids).values
    np.testing.assert_allclose(bags, table[ids].mean(1), atol=1e-6)
    expected, rows = np.zeros((9, 3)), np.zeros((9, 3))
    for row, found in zip(ids, bags, strict=True):
        np.add.at(expected, row, found / 4)
        np.add.at(rows, row, table[row])
    for found, right in (
        (expected_tables.answer_bags_gradient(table, ids), expected),
        (expected_tables.answer_rows_gradient(table, ids), rows),
    ):
        assert found.accepts(right.astype(np.float32))
        assert not found.accepts(right + 1e-3) and not found.accepts(right[:1])
        assert not found.accepts(np.where(right == right[ids[0, 0]], np.nan, right))
        moved = right.copy()
        moved[next(row for row in range(9) if row not in ids)] = 1e-3
        assert not found.accepts(moved)


def test_kinds_of_ids():
    workload = workloads.Workload("", 50, 2, 30)
    kinds = ("zipf", "uniform", "equal")
    ids = {kind: workloads.make_ids(kind, workload, 20) for kind in kinds}
    for kind in kinds:
        assert ids[kind].shape == (workloads.N_BATCHES, 20, 30)
        assert ids[kind].dtype == np.int32
        assert 0 <= ids[kind].min() <= ids[kind].max() < 50
    shares = {kind: np.bincount(ids[kind].ravel()) / 4800 for kind in kinds}
    assert 0.2 < shares["zipf"][0] < 0.25 and shares["uniform"].max() < 0.05
    assert all(len(np.unique(batch)) == 1 for batch in ids["equal"])
    assert len(np.unique(ids["equal"])) > 1


def test_torch_takes_its_turns_with_jaxembed_alone():
    names = ["jaxembed", "flax", "torch", "torch, 1 thread"]
    apart = torch.set_apart(dict.fromkeys(names))
    assert list(map(list, apart)) == [["jaxembed", *names[2:]], names[:2]]
    assert list(map(list, torch.set_apart({"jaxembed": 0}))) == [["jaxembed"]]


@pytest.mark.parametrize("bad", ["10x5", "0x5x5", "second-ish", "10x5x-1"])
def test_an_unknown_workload_is_refused(bad, capsys):
    with pytest.raises(SystemExit):
        lookup.main(["--workload", bad])
    assert f"got '{bad}'" in capsys.readouterr().err
