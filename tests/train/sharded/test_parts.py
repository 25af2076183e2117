"""Parts: slices of an array in word order, read from the rows of its shards."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import _io, dist
from jaxembed.train.sharded import _parts
from jaxembed.train.sharded._parts import Parts, RowFile, Share, find_share, split
from jaxembed.train.sharded._words import InWords
from tests.train.sharded.conftest import TABLE, V, make_mesh


def make_parts(table, n_parts):
    """Return the parts of a table, each with a row of padding behind."""
    padding = np.full_like(table[:1], -1)
    sources = {k: np.concatenate([table[k::n_parts], padding]) for k in range(n_parts)}
    return Parts(table.shape, table.dtype, n_parts, sources)


@pytest.mark.parametrize("n_bytes", [1, 40, 1 << 20])
def test_slices_are_those_of_the_array(monkeypatch, n_bytes):
    monkeypatch.setattr(_parts, "BLOCK", n_bytes)
    for n_rows in (1, 2, 7, 24):
        table = np.arange(n_rows * 3, dtype=np.int16).reshape(n_rows, 3)
        for n_parts in (1, 2, 3, 4, 9):
            parts = make_parts(table, n_parts)
            np.testing.assert_array_equal(np.asarray(parts), table)
            for step in (1, 2, 3, 4, 6, 8):
                for start in range(step):
                    expected = table[start::step]
                    np.testing.assert_array_equal(parts[start::step], expected)


def test_only_the_parts_of_a_share_are_needed():
    """Compare with the parts of the words of the shards."""
    for n_parts in (1, 2, 4, 6):
        parts = Parts((50,), np.dtype("f4"), n_parts, {})
        assert parts.find_needed(None) == set(range(n_parts))
        for n_shards in (1, 2, 3, 4, 8):
            for numbers in ({0}, {n_shards - 1}, {0, n_shards // 2}):
                words = [w for w in range(50) if w % n_shards in numbers]
                found = parts.find_needed(Share(n_shards, frozenset(numbers)))
                assert found == {word % n_parts for word in words}


@pytest.mark.parametrize("kind", [np.float32, bool, jnp.bfloat16, np.int8])
def test_rows_are_read_from_a_file(tmp_path, kind):
    table = (TABLE * 20).astype(kind)
    for k in range(3):
        (tmp_path / f"{k}").write_bytes(table[k::3].tobytes())
    parts = Parts(table.shape, kind, 3, {})
    for k in range(3):
        shape = parts.shape_of(k)
        parts.sources[k] = RowFile(tmp_path / f"{k}", shape, np.dtype(kind))
    np.testing.assert_array_equal(np.asarray(parts), table)
    np.testing.assert_array_equal(parts[5::6], table[5::6])
    (tmp_path / "1").write_bytes(table[1::3].tobytes()[:-1])
    with pytest.raises(OSError, match="1 ends before row 100"):
        parts[1::3]


@pytest.mark.parametrize("is_cpu", [True, False])
@pytest.mark.parametrize("shape", [(1, 4), (2, 2), (4, 1)])
def test_each_shard_is_a_part_once(monkeypatch, shape, is_cpu):
    if not is_cpu:  # as on an accelerator, whose rows are copied in blocks
        monkeypatch.setattr(_parts, "BLOCK", 500)
        monkeypatch.setattr(_parts, "ON_HOST", ())
    rules = dist.Rules(make_mesh(*shape))
    parts = split(dist.to_shards(TABLE, rules), V)
    assert sorted(parts.sources) == list(range(shape[1]))
    assert find_share(rules) == Share(shape[1], frozenset(range(shape[1])))
    np.testing.assert_array_equal(np.asarray(parts), TABLE)
    copy = Parts.empty(*parts.form)
    parts.copy_into(copy)
    assert copy.form == parts.form
    for number, rows in copy.sources.items():
        assert isinstance(rows, np.ndarray)
        np.testing.assert_array_equal(rows, TABLE[number :: shape[1]])


def test_the_digest_is_that_of_one_device():
    """Hash a table in shard order, whose digest names a run on any mesh."""
    stored = dist.to_shards(TABLE, dist.Rules(make_mesh(1, 4)))
    found = _io.hash_arrays({"table": InWords(stored, V), "n": np.ones(2)})
    assert found == _io.hash_arrays({"table": TABLE, "n": np.ones(2)})
