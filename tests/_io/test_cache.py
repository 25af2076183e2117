"""Cache: a warning where an entry cannot be written, and the work goes on."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from jaxembed import _io, text, vectors
from tests._io.test_replace import largest_file

ENTRY = r"the cache cannot be written, so the next load .* as this one: .*"


@pytest.fixture
def load(tmp_path, make_archive):
    """Return functions that load vectors or tokens, with a cache or without."""
    path = tmp_path / "a.vec"
    rng = np.random.default_rng(0)
    words = [f"word{number}" for number in range(200)]
    made = vectors.WordVectors(words, rng.normal(size=(200, 8)).astype("f4"))
    vectors.save(made, path)
    archive = make_archive()

    def load_vectors(cache_dir=None):
        return vectors.load(path, cache_dir=cache_dir).matrix

    def load_tokens(cache_dir=None):
        return text.load_imdb_tokens(archive, cache_dir=cache_dir).train.values

    return {"vectors": load_vectors, "tokens": load_tokens}


KINDS = pytest.mark.parametrize("kind", ["vectors", "tokens"])


@KINDS
def test_a_full_disk_is_a_warning(load, kind, tmp_path):
    cache = tmp_path / "cache"
    with largest_file(200), pytest.warns(UserWarning, match=ENTRY + "needs") as caught:
        found = load[kind](cache)
    np.testing.assert_array_equal(found, load[kind]())
    assert os.listdir(cache) == []
    assert caught[0].filename == __file__  # of the user's call


@KINDS
def test_a_read_only_folder_is_a_warning(load, kind, tmp_path, monkeypatch):
    """Refuse new files, since a test by root may write to any folder."""

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(sys.modules["jaxembed._io._temporary"], "_create", refuse)
    with pytest.warns(UserWarning, match=ENTRY + "Read-only"):
        found = load[kind](tmp_path / "cache")
    np.testing.assert_array_equal(found, load[kind]())


@KINDS
def test_a_folder_that_cannot_be_made_is_a_warning(load, kind, tmp_path, monkeypatch):
    mkdir = os.mkdir

    def refuse(path, *arguments):
        if "cache" in str(path):
            raise OSError(errno.EROFS, "Read-only file system")
        mkdir(path, *arguments)

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.warns(UserWarning, match=ENTRY):
        found = load[kind](tmp_path / "cache")
    np.testing.assert_array_equal(found, load[kind]())


@KINDS
@pytest.mark.parametrize("name", ["file", "file/cache"])
def test_a_file_in_place_of_the_folder_is_an_error(load, kind, tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"cache_dir=.* must be a folder, got a file"):
        load[kind](tmp_path / name)


@KINDS
def test_an_entry_that_is_a_folder_is_made_again(load, kind, tmp_path):
    cache = tmp_path / "cache"
    first = load[kind](cache)
    (entry,) = cache.iterdir()
    entry.unlink()
    (entry / "inner").mkdir(parents=True)
    np.testing.assert_array_equal(load[kind](cache), first)
    assert entry.is_file() and len(list(cache.iterdir())) == 1
    np.testing.assert_array_equal(load[kind](cache), first)


def test_an_abandoned_file_is_removed_by_the_next_write(load, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / f".tokens-1.safetensors.{'0' * 32}.jaxembed-tmp").write_bytes(b"cut")
    load["vectors"](cache)
    assert [path.suffix for path in cache.iterdir()] == [".safetensors"]


def test_nothing_is_left_in_the_folder_of_temporary_files(tmp_path):
    """Kill a process that has unpacked a compressed file."""
    program = (
        "import os, sys\nfrom jaxembed import vectors\n"
        "loaded = vectors.load(sys.argv[1])\nprint(loaded.matrix[0, 0])\n"
        "sys.stdout.flush()\nos.kill(os.getpid(), 9)"
    )
    path, folder = tmp_path / "a.safetensors.gz", tmp_path / "tmp"
    folder.mkdir()
    vectors.save(vectors.WordVectors(["a"], np.full((1, 2), 7, np.float32)), path)
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env=os.environ | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == -9 and done.stdout == "7.0\n"
    assert os.listdir(folder) == []


def test_make_cache_returns_the_folder(tmp_path):
    assert _io.make_cache(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()
