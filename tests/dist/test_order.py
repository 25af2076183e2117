"""Orders of rows: from word order to shard order and back, bit by bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed.dist import _order, to_shards, to_words
from jaxembed.dist._order import _copy_to_all, iter_words
from tests.dist._cases import SHAPES, make_rules


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_rows", [1, 8, 13])
@pytest.mark.parametrize("kind", [np.float32, jnp.bfloat16, np.int32, bool])
def test_a_table_comes_back_bit_by_bit(shape, n_rows, kind):
    rules = make_rules(shape)
    table = np.random.default_rng(0).normal(size=(n_rows, 3))
    table[0] = -0.0, np.nan, np.inf
    with np.errstate(invalid="ignore"):
        words = table.astype(kind)
    stored = to_shards(words, rules)
    assert stored.sharding.is_equivalent_to(rules.table, 2)
    rows = np.asarray(stored)[rules.place(np.arange(n_rows), n_rows)]
    assert rows.tobytes() == words.tobytes()
    assert to_words(stored, n_rows).tobytes() == words.tobytes()
    is_padding = np.ones(len(stored), bool)
    is_padding[rules.place(np.arange(n_rows), n_rows)] = False
    assert not np.asarray(stored)[is_padding].any()


@pytest.mark.parametrize("n_bytes", [1, 24, 25, 1000])
def test_rows_are_read_in_pieces(monkeypatch, n_bytes):
    """A piece has at least one row, also if a row has more bytes."""
    monkeypatch.setattr(_order, "PIECE", n_bytes)
    table = np.arange(1, 34, dtype=np.float32).reshape(11, 3)
    for shape in ((1, 1), (1, 4), (2, 2)):
        assert (to_words(to_shards(table, make_rules(shape)), 11) == table).all()


def test_each_device_has_its_part_only():
    rules = make_rules((2, 2))
    stored = to_shards(np.arange(10), rules)
    assert stored.sharding.is_equivalent_to(rules.rows, 1)
    parts = [shard.data.tolist() for shard in stored.addressable_shards]
    assert parts == 2 * [[0, 2, 4, 6, 8, 0], [1, 3, 5, 7, 9, 0]]


def test_a_mapped_file_is_read(tmp_path):
    np.save(tmp_path / "table.npy", np.arange(22.0, dtype=np.float32).reshape(11, 2))
    table = np.load(tmp_path / "table.npy", mmap_mode="r")
    assert (to_words(to_shards(table, make_rules((1, 4))), 11) == table).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", [np.float32, jnp.bfloat16, np.int32, bool])
def test_a_shard_is_fetched_from_another_process_bit_by_bit(shape, kind):
    # _copy_to_all is the path of several processes; here one process has all shards.
    rules = make_rules(shape)
    words = np.array([[-0.0, 1.5], [0.0, -2.0], [3.0, 0.25], [1.0, 1.0]]).astype(kind)
    stored = to_shards(words, rules)
    for number in range(rules.n_shards):
        found = np.asarray(jax.block_until_ready(_copy_to_all(stored, number)))
        part = words[number :: rules.n_shards]
        assert found[: len(part)].tobytes() == part.tobytes()


def test_words_are_written_into_an_array():
    out, stored = np.ones(9), to_shards(np.arange(9.0), make_rules((2, 2)))
    assert to_words(stored, 9, out=out) is out
    assert out.tolist() == list(range(9))
    with pytest.raises(ValueError, match=r"out must have the shape \(9,\), got \(8,\)"):
        to_words(stored, 9, out=out[:8])


def test_another_number_of_words_is_refused():
    stored = to_shards(np.zeros((9, 2)), make_rules((1, 4)))
    with pytest.raises(ValueError, match="13 words in 4 shards have 4 rows each"):
        to_words(stored, 13)
    with pytest.raises(ValueError, match="the axis V first, got the number 3"):
        to_shards(np.int32(3), make_rules((1, 4)))


@pytest.mark.parametrize("kind", ["float32", "bool", "bfloat16"])
@pytest.mark.parametrize("n_bytes", [1, 100, 1 << 20])
def test_words_are_yielded_in_blocks(monkeypatch, kind, n_bytes):
    monkeypatch.setattr(_order, "BLOCK", n_bytes)
    for n_rows, rest in ((1, (3,)), (7, (3,)), (30, ()), (33, (2, 2))):
        table = np.random.default_rng(0).normal(size=(n_rows, *rest)) > 0
        table = np.asarray(jnp.asarray(table, kind))
        for shape in SHAPES:
            blocks = list(iter_words(to_shards(table, make_rules(shape)), n_rows))
            assert max(len(block) for block in blocks) <= max(4, n_bytes)
            np.testing.assert_array_equal(np.concatenate(blocks), table)
