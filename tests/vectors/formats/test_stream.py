"""Streaming: memory is bounded by the kept rows; a second load uses the cache."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from jaxembed import vectors

PROGRAM = """
import sys
from jaxembed import vectors
path, n = sys.argv[1], int(sys.argv[2])
vocabulary = [f"word{i}" for i in range(0, 40_000, 40)] if n else None
def peak():
    return float(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
before = peak()
loaded = vectors.load(path, vocabulary=vocabulary)
print(len(loaded), peak() - before)
"""


XZ = pytest.param("many.vec.xz", marks=pytest.mark.long)


@pytest.mark.parametrize("name", ["many.bin", XZ, "many.safetensors"])
def test_memory_is_bounded_by_the_vocabulary(tmp_path, monkeypatch, name):
    """Load a thousand rows of a file of 96 MB."""
    words = [f"word{i}" for i in range(40_000)]
    matrix = np.zeros((40_000, 600), np.float32)
    matrix[:, 0] = np.arange(40_000)
    path = vectors.save(vectors.WordVectors(words, matrix), tmp_path / name)
    command = [sys.executable, "-c", PROGRAM, str(path)]
    used = {}
    for n in (0, 1):
        done = subprocess.run(
            [*command, str(n)], capture_output=True, text=True, check=True
        )
        n_words, megabytes = done.stdout.split()
        assert int(n_words) == (1_000 if n else 40_000)
        used[n] = float(megabytes)
    if name != "many.safetensors":  # memory-mapped: its pages do not count
        assert used[0] > 91 and used[1] < 0.7 * used[0]
    assert used[1] < 130


def test_the_cache_is_found_by_content(small, tmp_path, monkeypatch):
    path, cache = vectors.save(small, tmp_path / "a.txt"), tmp_path / "cache"
    first = vectors.load(path, cache_dir=cache)
    (entry,) = cache.iterdir()
    # Fails if the file is parsed again. vectors.load hides the module of its name.
    monkeypatch.setattr(sys.modules["jaxembed.vectors._load"], "_load", None)
    moved = path.rename(tmp_path / "b.vec")
    second = vectors.load(moved, cache_dir=cache)
    assert isinstance(second.matrix, np.memmap)
    assert second.words == first.words
    np.testing.assert_array_equal(second.matrix, first.matrix)
    monkeypatch.undo()
    other = vectors.WordVectors(small.words, small.matrix + 1)
    vectors.save(other, moved, "glove")
    changed = vectors.load(moved, cache_dir=cache)
    np.testing.assert_array_equal(changed.matrix, other.matrix)
    vectors.load(moved, cache_dir=cache, vocabulary=["the"])
    vectors.load(moved, cache_dir=cache, limit=2)
    assert len(list(cache.iterdir())) == 4
    entry.write_bytes(entry.read_bytes()[:-1])
    vectors.save(small, moved, "glove")
    again = vectors.load(moved, cache_dir=cache)
    np.testing.assert_array_equal(again.matrix, first.matrix)
    assert entry.stat().st_size > 0 and vectors.load(entry).words == small.words


def test_the_cache_keeps_what_the_file_says(tmp_path):
    (tmp_path / "a").write_text("a 1\nb 2\na 3\n")
    for _ in range(2):
        loaded = vectors.load(tmp_path / "a", cache_dir=tmp_path / "cache")
        assert loaded.n_duplicates == 1


def test_the_cache_is_not_written_where_the_load_fails(tmp_path):
    (tmp_path / "a").write_text("a 1\nb x\n")
    with pytest.raises(ValueError, match="must be a number, got 'x'"):
        vectors.load(tmp_path / "a", cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_reading_ahead_ends_with_the_reader(tmp_path, monkeypatch):
    """Leave no thread running after a load."""
    before = set(threading.enumerate())
    monkeypatch.setattr("jaxembed.vectors.formats._lines.BLOCK", 100)
    (tmp_path / "a").write_text("".join(f"w{i} {i}\n" for i in range(2_000)))
    assert len(vectors.load(tmp_path / "a", limit=5)) == 5
    (tmp_path / "a").write_text("a 1\n" * 50 + "b x\n" + "c 1\n" * 500)
    with pytest.raises(ValueError, match=":51: number 1 of 'b'"):
        vectors.load(tmp_path / "a")
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not any("ThreadPool" in name for name in left)
