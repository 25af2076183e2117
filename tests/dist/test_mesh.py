"""Mesh and sharding rules: shapes, placement of words, and errors."""

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from jaxembed.dist import Rules, make_mesh


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ({}, (1, 4)),
        ({"data": 2}, (2, 2)),
        ({"vocab": 2}, (1, 2)),
        ({"data": 4}, (4, 1)),
        ({"devices": jax.devices()[:3]}, (1, 3)),
    ],
)
def test_the_mesh_has_the_given_sizes(sizes, shape):
    mesh = make_mesh(**sizes)
    assert mesh.axis_names == ("data", "vocab") and mesh.devices.shape == shape


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"data": 3}, "data must divide the number of devices, 4, got 3"),
        ({"data": 2, "vocab": 4}, "needs 8 devices, got 4"),
        ({"data": 0}, "data must be at least 1"),
        ({"vocab": 0}, "vocab must be at least 1"),
    ],
)
def test_impossible_sizes_are_refused(sizes, words):
    with pytest.raises(ValueError, match=words):
        make_mesh(**sizes)


def test_rules_need_both_axes():
    mesh = jax.make_mesh((4,), ("rows",), axis_types=(jax.sharding.AxisType.Auto,))
    with pytest.raises(ValueError, match=r"axes 'data' and 'vocab', got \('rows',\)"):
        Rules(mesh)
    with pytest.raises(ValueError, match="axes 'rows' and 'rows'"):
        Rules(mesh, data="rows", vocab="rows")


def test_rules_of_equal_meshes_are_equal():
    rules = Rules(make_mesh(data=2))
    assert rules == Rules(make_mesh(data=2)) != Rules(make_mesh())
    assert hash(rules) == hash(Rules(make_mesh(data=2)))
    assert rules.batch.spec == PartitionSpec(("data", "vocab"))
    assert (rules.n_copies, rules.n_shards, rules.n_devices) == (2, 2, 4)


@pytest.mark.parametrize("n_rows", [1, 4, 7, 9])
def test_words_are_dealt_to_the_shards_in_turn(n_rows):
    rules = Rules(make_mesh())
    ids = np.arange(n_rows)
    rows, size = rules.place(ids, n_rows), rules.pad(n_rows) // 4
    # At least one row of no word: no other model takes the table.
    assert rules.pad(n_rows) in range(n_rows + 1, n_rows + 5)
    assert len(set(rows)) == n_rows and (rows // size == ids % 4).all()
    assert (rows % size == ids // 4).all()
