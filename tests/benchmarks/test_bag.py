"""The benchmark of bags: checked, then timed in turns."""

import json
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import _bags, bag

SIZES = ["--batch-size", "4", "--length", "6", "--rows", "30", "--dim", "5"]
SIZES += ["--classifier-rows", "40", "--classifier-dim", "7", "--repeats", "1"]
OURS = {
    "bag": ["jaxembed", "jaxembed, in bounds", "take"],
    "bag and gradient": ["jaxembed", "jaxembed, in bounds", "take"],
    "classifier": ["jaxembed, folded", "jaxembed", "take"],
}


@pytest.fixture(autouse=True)
def _small_copy(monkeypatch):
    monkeypatch.setattr(bag, "COPY_FLOATS", 2**10)
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")  # so that it is put back


def read(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_lines_have_sizes_and_memory(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    bag.main([*SIZES, "--ids", "equal"])
    lines = read(capsys)
    left_out = [lines.pop(0), lines.pop(3)]
    assert [line["what"] for line in left_out] == ["bag", "bag and gradient"]
    assert "pip install jaxembed[bench]" in left_out[0]["left_out"]
    found = [(line["what"], line["implementation"]) for line in lines]
    assert found == [(what, name) for what, names in OURS.items() for name in names]
    line = lines[0]
    assert (line["rows"], line["dim"], line["rows_bytes"]) == (30, 5, 4 * 6 * 5 * 4)
    # ids, one row and four bags; and for the gradient all rows
    assert line["fewest_bytes"]["take"] == 4 * 24 + 20 + 4 * 20
    assert lines[3]["fewest_bytes"]["take"] == 4 * 24 + 20 + 4 * 20 + 30 * 20
    assert lines[6]["fewest_bytes"]["jaxembed, folded"] == 4 * 24 + 4 + 4 * 4
    assert lines[6]["fewest_bytes"]["take"] == 4 * 24 + 7 * 4 + 4 * 4
    for line in lines:
        ours = set(OURS[line["what"]])
        assert line["ids"] == "equal" and line["copy_gb_per_s"] > 0
        assert set(line["temp_bytes"]) == set(line["compile_s"]) == ours
        assert set(line["copy_share"]) == ours


def test_torch_is_timed(capsys):
    pytest.importorskip("torch", reason="torch is in the extra bench")
    table, ids = _bags.make_table(9, 3), _bags.make_ids("uniform", 9, 2, 4)
    for with_gradient in (False, True):
        bag.time_bags(table, ids, with_gradient, 1, {"copy_gb_per_s": 1.0})
        names = [line["implementation"] for line in read(capsys)]
        assert names == [*OURS["bag"], "torch", "torch, 1 thread"]


@pytest.mark.parametrize(
    "wrong", [lambda bag: bag + 1e-4, lambda bag: bag * jnp.nan, lambda bag: bag[:, :1]]
)
def test_a_wrong_answer_is_refused_before_it_is_timed(monkeypatch, capsys, wrong):
    monkeypatch.setitem(sys.modules, "torch", None)
    right = bag.nn.embedding_bag

    def wrongly(table, ids, mode="fill"):
        found = right(table, ids, mode=mode)
        return wrong(found) if mode == "promise_in_bounds" else found

    monkeypatch.setattr(bag.nn, "embedding_bag", wrongly)
    with pytest.raises(SystemExit, match="bag: jaxembed, in bounds is wrong"):
        bag.main([*SIZES, "--ids", "zipf"])
    assert all("left_out" in line for line in read(capsys))


def test_a_wrong_fold_is_refused(monkeypatch):
    fold = bag.train.fold

    def wrongly(model, variables):
        folded, variables = fold(model, variables)
        params = variables["params"]
        return folded, {"params": params | {"head": {"bias": jnp.full(1, 1e-3)}}}

    monkeypatch.setattr(bag.train, "fold", wrongly)
    table, ids = _bags.make_table(9, 3), _bags.make_ids("uniform", 9, 2, 4)
    with pytest.raises(SystemExit, match="jaxembed, folded is wrong"):
        bag.time_classifiers(table, ids, 1, {})


def test_answers_and_their_gradient():
    table = _bags.make_table(9, 3)
    ids = _bags.make_ids("uniform", 9, 2, 4)
    bags = [answer for answer, _ in _bags.answer_bags(table, ids, False)]
    np.testing.assert_allclose(bags, table[ids].mean(2), atol=1e-6)
    gradients = [answer for answer, _ in _bags.answer_bags(table, ids, True)]
    expected = np.zeros((9, 3))
    for row, found in zip(ids[5], bags[5], strict=True):
        np.add.at(expected, row, found / 4)
    np.testing.assert_allclose(gradients[5], expected, atol=1e-6)


def test_kinds_of_ids():
    ids = {kind: _bags.make_ids(kind, 50, 20, 30) for kind in _bags.KINDS}
    for kind in _bags.KINDS:
        assert ids[kind].shape == (_bags.N_BATCHES, 20, 30)
        assert ids[kind].dtype == np.int32
        assert 0 <= ids[kind].min() <= ids[kind].max() < 50
    shares = {kind: np.bincount(ids[kind].ravel()) / 4800 for kind in _bags.KINDS}
    assert 0.2 < shares["zipf"][0] < 0.25 and shares["uniform"].max() < 0.05
    assert all(len(np.unique(batch)) == 1 for batch in ids["equal"])
    assert len(np.unique(ids["equal"])) > 1
