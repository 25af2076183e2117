"""View: the rows of a table that is not in memory, and the memory of a load."""

import subprocess
import sys
import tracemalloc

import jax
import numpy as np
import pytest

from jaxembed import dist, nn, optim, train, vectors
from jaxembed.vectors.formats._collect import Collector, Rows, Wanted
from tests.dist._cases import make_rules
from tests.vectors.conftest import fasttext_bin, text_of
from tests.vectors.test_table import INDEX, VECTORS


def test_a_view_has_the_rows_of_the_table():
    table, coverage = vectors.embedding_matrix(INDEX, VECTORS, 9)
    view, same = vectors.embedding_matrix(INDEX, VECTORS, 9, in_memory=False)
    assert (view.shape, view.ndim, view.dtype, view.size) == ((9, 3), 2, "float32", 27)
    assert len(view) == 9 and repr(view) == "TableView(9 rows, 3 dimensions)"
    np.testing.assert_array_equal(np.asarray(view), table)
    np.testing.assert_array_equal(view[1::4], table[1::4])
    np.testing.assert_array_equal(view[[5, 2, 5]], table[[5, 2, 5]])
    assert np.asarray(view, np.float64).dtype == np.float64
    assert str(same) == str(coverage) and (same.found == coverage.found).all()
    with pytest.raises(IndexError, match="a slice or a list of ids, got 3"):
        view[3]


def test_words_of_a_view_have_the_vectors_of_their_subwords(write):
    loaded = vectors.load(write(fasttext_bin()))
    index = {"film": 1, "unknown": 2, "the": 3, "words": 4}
    table, _ = vectors.embedding_matrix(index, loaded)
    view, _ = vectors.embedding_matrix(index, loaded, in_memory=False)
    assert table[1:].any(1).all()
    np.testing.assert_array_equal(view[::-1], table[::-1])


def test_a_view_has_no_random_rows():
    options = {"missing": "normal", "rng": np.random.default_rng(0)}
    with pytest.raises(ValueError, match="'zeros' with in_memory=False, got 'normal'"):
        vectors.embedding_matrix(INDEX, VECTORS, **options, in_memory=False)


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("shape", [None, (1, 4)])
def test_a_model_trains_from_a_view(shape, is_large, monkeypatch):
    mesh = None if shape is None else make_rules(shape)
    if is_large:  # as a table of millions of numbers
        monkeypatch.setattr("jaxembed.train._state.MANY", 0)
    ids, labels = np.array([[2, 3], [1, 5], [0, 4], [3, 3]]), np.array([0, 1, 1, 0])
    found = []
    for in_memory in (True, False):
        table, _ = vectors.embedding_matrix(INDEX, VECTORS, in_memory=in_memory)
        state, _ = train.fit(
            nn.TextClassifier(nn.Embed(6, 3), nn.DenseHead()),
            (ids, labels),
            tx=optim.rmsprop(0.1),
            epochs=2,
            batch_size=4,
            key=jax.random.key(0),
            params={"embed": {"embedding": table}},
            mesh=mesh,
        )
        found.append(np.asarray(state.variables["params"]["embed"]["embedding"]))
    np.testing.assert_array_equal(*found)


def test_a_load_with_a_cache_holds_no_matrix(write, tmp_path, monkeypatch):
    monkeypatch.setattr("jaxembed.dist._order.PIECE", 1 << 17)
    n_rows, dim = 20_000, 100
    rng = np.random.default_rng(0)
    rows = rng.integers(-9, 9, (n_rows, dim)).astype(np.float32)
    large = vectors.WordVectors([f"w{i}" for i in range(n_rows)], rows)
    path = write(text_of(large))
    tracemalloc.start()
    loaded = vectors.load(path, cache_dir=tmp_path / "cache")
    index = {word: i + 1 for i, word in enumerate(reversed(large.words))}
    view, _ = vectors.embedding_matrix(index, loaded, in_memory=False)
    sizes, read_rows = [], type(view).__getitem__

    def read_and_record(view, ids):
        found = read_rows(view, ids)
        sizes.append(found.nbytes)
        return found

    monkeypatch.setattr(type(view), "__getitem__", read_and_record)
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    stored = dist.to_shards(view, make_rules((1, 4)))
    read = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert max(sizes) <= 1 << 17 and sum(sizes) == rows.nbytes + 4 * dim
    # XLA may release all four shards late. A shard beside the matrix would take 1.25.
    assert read < 1.1 * rows.nbytes
    found = dist.to_words(stored, n_rows + 1)
    np.testing.assert_array_equal(found[1:], rows[::-1])


class FullDisk:
    """File of a disk that is full after some bytes."""

    def __init__(self, file, n_bytes):
        self.file, self.n_left = file, n_bytes

    def write(self, data):
        if not self.n_left:
            raise OSError(28, "No space left on device")
        n = self.file.write(data[: self.n_left])
        self.n_left -= n
        return n

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("n_bytes", [0, 30, 36, 1000])
def test_rows_are_kept_in_memory_if_the_disk_is_full(tmp_path, n_bytes):
    rows = np.arange(45.0, dtype=np.float32).reshape(15, 3)
    with open(tmp_path / "spill", "w+b", buffering=0) as file:
        collector = Collector(Wanted.of(None), FullDisk(file, n_bytes))
        for start in range(0, 15, 3):
            words = [b"%d" % i for i in range(start, start + 3)]
            collector.add(Rows(words, rows[start : start + 3]))
        np.testing.assert_array_equal(collector.matrix(), rows)


LOAD = """
import pathlib, sys, threading, time
import jax
jax.config.update("jax_num_cpu_devices", 4)
import numpy as np
from jaxembed import dist, vectors

def read_memory():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024

def watch():
    while True:
        peak[0] = max(peak[0], read_memory())
        time.sleep(0.002)

peak = [0]
n, dim = 60_000, 600
index = {f"w{i}": i + 1 for i in range(n)}
rules = dist.Rules(dist.make_mesh())
dist.to_shards(np.ones((9, dim), np.float32), rules).block_until_ready()
before = read_memory()
threading.Thread(target=watch, daemon=True).start()
if sys.argv[3] == "streamed":
    loaded = vectors.load(sys.argv[1], cache_dir=sys.argv[2])
else:
    loaded = vectors.load(sys.argv[1])
table, _ = vectors.embedding_matrix(index, loaded, in_memory=sys.argv[3] != "streamed")
stored = dist.to_shards(table, rules).block_until_ready()
assert stored.shape == (60_004, dim)
assert (np.asarray(stored.addressable_shards[1].data[0]) == 1).all()
print((peak[0] - before) / (4 * n * dim))
"""


@pytest.mark.long
def test_a_large_table_is_never_whole_on_the_host(tmp_path):
    n, dim = 60_000, 600  # 144 MB
    with open(tmp_path / "vectors.bin", "wb") as file:
        file.write(b"%d %d\n" % (n, dim))
        for i in range(n):
            row = np.full(dim, i + 1, np.float32)
            file.write(b"w%d " % i + row.tobytes() + b"\n")
    found = {}
    for form in ("streamed", "in memory"):
        command = [sys.executable, "-c", LOAD, tmp_path / "vectors.bin"]
        command += [tmp_path / "cache", form]
        run = subprocess.run(command, check=True, text=True, capture_output=True)
        found[form] = float(run.stdout)
    # The simulated devices hold the table once; the rest are two shards and words.
    assert 1 < found["streamed"] < 1.6
    assert found["in memory"] > 2.9
