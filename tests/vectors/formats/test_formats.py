"""Sources: compressed files, members of a .zip, and files read in pieces."""

import bz2
import gzip
import lzma
import sys
import zipfile

import numpy as np
import pytest
from pyarrow import csv

from jaxembed import vectors
from tests.vectors.conftest import fasttext_bin, text_of


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zip"])
@pytest.mark.parametrize("format", ["glove", "word2vec-binary", "safetensors"])
def test_compressed_whatever_it_is_called(small, tmp_path, format, suffix):
    path = vectors.save(small, tmp_path / f"small{suffix}", format)
    modules = {".gz": gzip, ".bz2": bz2, ".xz": lzma}
    if suffix in modules:
        plain = vectors.save(small, tmp_path / "plain", format).read_bytes()
        assert modules[suffix].decompress(path.read_bytes()) == plain
    path = path.rename(tmp_path / "no.name")
    loaded = vectors.load(path)
    assert loaded.words == small.words
    np.testing.assert_array_equal(loaded.matrix, small.matrix)


def test_a_member_of_a_zip_is_chosen_behind_its_path(small, tmp_path):
    path = tmp_path / "glove.6B.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("glove.6B.50d.txt", "a 1 2\n")
        archive.writestr("inner/glove.6B.100d.txt", text_of(small))
    loaded = vectors.load(path / "inner" / "glove.6B.100d.txt")
    assert loaded.words == small.words
    assert vectors.load(f"{path}/glove.6B.50d.txt").words == ("a",)
    with pytest.raises(ValueError, match=r"append one to the path, as in .*50d\.txt"):
        vectors.load(path)
    with pytest.raises(FileNotFoundError, match=r"x is missing in .*; it has \['glove"):
        vectors.load(path / "x")


def test_what_is_long_comes_in_pieces(tmp_path, monkeypatch):
    """Read the same vectors when blocks end inside words and numbers."""
    rng = np.random.default_rng(1)
    words = [f"w{i}" if i % 7 else f"w {i} x" for i in range(500)]
    many = vectors.WordVectors(words, rng.normal(size=(500, 6)).astype(np.float32))
    text = vectors.save(many, tmp_path / "many.vec")
    plain = vectors.WordVectors([w.replace(" ", "_") for w in words], many.matrix)
    binary = vectors.save(plain, tmp_path / "many.bin")
    model = tmp_path / "model"
    model.write_bytes(fasttext_bin([f"word{i}" for i in range(300)], buckets=50))
    expected = vectors.load(model)
    monkeypatch.setattr("jaxembed.vectors.formats._lines.BLOCK", 1000)
    monkeypatch.setattr("jaxembed.vectors.formats._word2vec.PIECE", 100)
    monkeypatch.setattr("jaxembed.vectors.formats._word2vec.MAX_WORD", 40)
    monkeypatch.setattr("jaxembed.vectors.formats._fasttext.PIECE", 100)
    for path, right in ((text, many), (binary, plain), (model, expected)):
        loaded = vectors.load(path)
        assert loaded.words == right.words
        np.testing.assert_array_equal(loaded.matrix, right.matrix)
        some = vectors.load(path, vocabulary=right.words[5:400:9])
        assert some.words == right.words[5:400:9]
        np.testing.assert_array_equal(some.matrix, right.matrix[5:400:9])


def test_progress_is_shown_for_long_files(write, capsys, monkeypatch):
    # The public function vectors.load hides the module of its name.
    monkeypatch.setattr(sys.modules["jaxembed.vectors._load"], "BAR_DELAY", 0)
    for content in ("a 1 2\n" * 3, fasttext_bin(), gzip.compress(b"a 1 2\n")):
        vectors.load(write(content), progress=True)
        assert "vectors: 100%" in capsys.readouterr().err
    vectors.load(write("a 1 2\n" * 3))
    assert capsys.readouterr().err == ""


def test_threads_of_arrow_hold_no_memory_of_python(small, tmp_path, monkeypatch):
    """Give Arrow its own copy, since a thread may release it while Python ends.

    With the bytes of Python, one program of a hundred that ended after a load aborted.
    """
    given, read_csv = [], csv.read_csv

    def record(data, **options):
        given.append(data)
        return read_csv(data, **options)

    monkeypatch.setattr(csv, "read_csv", record)
    path = vectors.save(small, tmp_path / "a.vec")
    assert vectors.load(path).words == small.words
    assert [data.is_mutable for data in given] == [True]  # bytes of Python are not
