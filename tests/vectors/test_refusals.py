"""Errors: the place in the file, the expected and the actual content."""

import gzip
import struct
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxembed import vectors
from jaxembed.vectors.formats._detect import FORMATS
from tests.vectors.conftest import fasttext_bin

ROW = struct.pack("<2f", 1, 2)
NAN = struct.pack("<2f", 1, np.nan)
MODEL = fasttext_bin()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "vectors is empty"),
        ("\n\n", "must be in one of the formats glove, .* an unknown format"),
        ("word\n", "must be in one of the formats glove, .* an unknown format"),
        ("a 1 2\nb 3\n", r"vectors:2: expected a word and 2 numbers, got 1 numbers"),
        ("a 1 2\nb 3 4\nc 5.5 6 7\n", r":3: expected a word and 2 numbers, got 3"),
        ("a 1 2\n\nb 3 4\n", r":2: expected a word and 2 numbers, got 0 numbers"),
        ("a 1 2\nb\0c 3 4\n", r":2: expected text, got a zero byte on the line that"),
        ("a 1 2\nb 3 x4\n", r":2: number 2 of 'b' must be a number, got 'x4'"),
        ("a 1 2\nb 3 4_0\n", r":2: number 2 of 'b' must be a number, got '4_0'"),
        ("a 1 2\nb 3 \xb2\n", r":2: number 2 of 'b' must be a number, got '²'"),
        ("a 1 2\nb nan 4\n", r":2: number 1 of 'b' must be finite in float32, got nan"),
        (
            "a 1 2\nb 3 1e39\n",
            r":2: number 2 of 'b' must be finite in float32, got inf",
        ),
        ("2 2\na 1 2\nb 3.5 4 5\n", r":3: expected a word and 2 numbers, got 3"),
        ("2 3\na 1 2\nb 3 4\n", r":2: expected a word and 3 numbers, got 2"),
        ("3 2\na 1 2\nb 3 4\n", r":4: the header declares 3 rows, but the file ends"),
        ("1 2\na 1 2\nb 3 4\n", r":3: the header declares 1 rows, but the file has"),
        ("0 2\n", "vectors must have rows, got none"),
        ("2 2\na 1\nb\x0b 3 4\n", r":2: expected a word and 2 numbers, got 1"),
        ("2 1048576\na 1 2\n", r":2: expected a word and 1048576 numbers, got 2"),
        ("a 1 2\nb information 3\n", ":2: number 1 of 'b' must be a number, got 'inf"),
        ("a 1 2\rb 3 4\r", ":1: expected a newline as the line end, got a carriage"),
        (
            b"1 2\na " + ROW + b"\n\nb " + ROW,
            "byte 14: the header declares 1 rows, but",
        ),
        (
            fasttext_bin(scale=3e38),
            "vectors: the vector of 'the', row 0, must be finite",
        ),
        (
            b"2 2\na " + ROW + b"b " + ROW[:5],
            "byte 21: the header declares 2 rows of",
        ),
        (b"2 2\na " + ROW + b"b " + NAN, r"byte 14: the numbers of 'b' must be finite"),
        (b"1 2\na " + ROW + b"b " + ROW, "byte 14: the header declares 1 rows, but"),
        (b"1 99999999\na \0\1\2", ":1: expected 1 to 1048576 numbers for each word"),
        (MODEL[:-70], r"byte \d+: the header declares a matrix of 13 rows of 4"),
        (
            MODEL[:90],
            "byte 64: expected the dictionary, 28 bytes, but the file ends after 26",
        ),
        (MODEL[:100], "more words, each of less than 65536 bytes"),
        (MODEL[:8] + bytes(200), "byte 8: expected the sizes of a model"),
        (MODEL[:4] + b"\x07" + MODEL[5:], "version 11 or 12, got"),
        (fasttext_bin(quantised=True), "is a quantised model"),
        (b"\x20\0\0\0\0\0\0\0{", "cannot be read as word vectors in safetensors"),
        (gzip.compress(b"a 1 2\n", mtime=0)[:-4], "is cut or damaged after 6 bytes"),
        (b"PK\x03\x04 no zip", "is a damaged .zip"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_bad_file_is_refused(write, content, message):
    with pytest.raises(ValueError, match=message):
        vectors.load(write(content))


def test_a_cut_stream_of_binary_names_the_byte(write):
    """Detect the end of a compressed file, whose size is unknown."""
    content = gzip.compress(b"2 2\na " + ROW + b"b " + ROW[:5])
    with pytest.raises(ValueError, match="byte 14: expected 1 more rows, each a word"):
        vectors.load(write(content))
    with pytest.raises(ValueError, match=r"byte \d+: the file ends in row 12 of 13"):
        vectors.load(write(gzip.compress(MODEL[: -25 - 48 - 2])))


def test_a_member_that_is_larger_than_it_says(write, tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "a 1 2\n" * 50_000)
    data = path.read_bytes()
    size = struct.pack("<I", 300_000)
    assert data.count(size) == 2  # in the member's header and in the directory
    with pytest.raises(ValueError, match=r"a\.txt is cut or damaged after \d+ bytes"):
        vectors.load(write(data.replace(size, struct.pack("<I", 60))))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"format": "glov"}, ValueError, "format must be one of glove, word2vec,"),
        ({"limit": 0}, ValueError, "limit must be at least 1 or None, got 0"),
        (
            {"vocabulary": "the"},
            TypeError,
            "vocabulary must be a list or a dict of words",
        ),
        ({"vocabulary": [1]}, TypeError, "words of vocabulary must be str, got 1"),
        ({"vocabulary": []}, ValueError, "must have at least one word, got none"),
        ({"vocabulary": ["x"]}, ValueError, "got none of its 1 words, such as 'x'"),
        (
            {"format": "word2vec"},
            ValueError,
            ":1: expected a header with the numbers of",
        ),
        ({"format": "fasttext"}, ValueError, "byte 0: expected"),
    ],
)
def test_bad_arguments_are_refused(write, arguments, error, message):
    with pytest.raises(error, match=message):
        vectors.load(write("a 1 2\nb 3 4\n"), **arguments)


def test_a_path_that_is_none(tmp_path, write):
    with pytest.raises(FileNotFoundError, match="none.txt does not exist: give"):
        vectors.load(tmp_path / "none.txt")
    with pytest.raises(IsADirectoryError, match="is a folder: give a file"):
        vectors.load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"is not a \.zip"):
        vectors.load(write("a 1\n") / "member")


@pytest.mark.parametrize(
    ("words", "matrix", "error", "message"),
    [
        (
            ["a", "a"],
            np.ones((2, 1), "f4"),
            ValueError,
            "distinct, got 'a' at index 0 and at 1",
        ),
        (
            ["a", b"b"],
            np.ones((2, 1), "f4"),
            TypeError,
            "must be str, got bytes at index 1",
        ),
        (["a"], np.ones((2, 1), "f4"), ValueError, r"V = 1, .* got \[2, 1\]"),
        ([], np.ones((0, 1), "f4"), ValueError, "at least one"),
        (["a"], np.ones((1, 1)), TypeError, "float32, got float64"),
        (["a"], [[1]], TypeError, "NumPy array of float32, got <class 'list'>"),
        (["a", "b"], np.array([[1], [np.inf]], "f4"), ValueError, "'b', row 1, .* inf"),
    ],
)
def test_vectors_that_are_none(words, matrix, error, message):
    with pytest.raises(error, match=message):
        vectors.WordVectors(words, matrix)


def test_a_jax_array_is_refused_with_the_remedy():
    matrix = jnp.ones((1, 2), jnp.float32)
    message = r"matrix must be a NumPy array of float32, got .*ArrayImpl.*np\.asarray\("
    with pytest.raises(TypeError, match=message):
        vectors.WordVectors(["a"], matrix)
    assert vectors.WordVectors(["a"], np.asarray(matrix, np.float32)).dim == 2


def test_large_but_finite_numbers_are_no_error():
    """Accept finite numbers whose sum overflows."""
    matrix = np.full((1, 4), 3e38, np.float32)
    assert vectors.WordVectors(["a"], matrix).dim == 4


GOOD = vectors.WordVectors(
    ["the", "a b", "café", "x"],
    np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32),
)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Return the bytes of a file of each format, plain and compressed."""
    folder = tmp_path_factory.mktemp("originals")
    plain = vectors.WordVectors(["the", "a_b", "café", "x"], GOOD.matrix)
    contents = [
        MODEL,
        gzip.compress(MODEL, mtime=0),
        b"\xef\xbb\xbfa 1 2 \r\nb 3 4 \r\n",
    ]
    contents += [fasttext_bin(version=11, labels=["__label__x"], model=3)]
    for name in (
        "a.txt",
        "a.vec",
        "a.safetensors",
        "a.txt.gz",
        "a.vec.zip",
        "a.txt.xz",
    ):
        contents.append(vectors.save(GOOD, folder / name).read_bytes())
    for name in ("a.bin", "a.bin.bz2", "a.bin.zip"):
        contents.append(vectors.save(plain, folder / name).read_bytes())
    return contents


CHANGES = [b"\xff" * 4, bytes(4), b"\n", b" ", b"9", b"inf", b"\r", b"\\xc3", b"\xc3"]


def corrupt(content, data):
    content = bytearray(content)
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        change = data.draw(st.sampled_from(["flip", "set", "insert", "remove"]))
        if change == "flip":
            content[place] ^= 1 << data.draw(st.integers(0, 7))
        elif change == "set":
            other = data.draw(st.sampled_from(CHANGES))
            content[place : place + len(other)] = other
        elif change == "insert":
            content[place:place] = data.draw(st.binary(min_size=1, max_size=9))
        elif len(content) > 20:
            del content[place : place + data.draw(st.integers(1, 9))]
    return bytes(content[: data.draw(st.integers(0, len(content)))])


def load_or_refuse(path, **arguments):
    """Load a file; return None if the documented error is raised."""
    try:
        loaded = vectors.load(path, **arguments)
    except ValueError as error:
        assert str(path) in str(error)
        return None
    assert np.isfinite(loaded.matrix).all() and len(loaded) == len(loaded.matrix)
    return loaded


@settings(max_examples=800)
@given(data=st.data())
def test_cut_and_corrupted_files_raise_nothing_else(originals, tmp_path_factory, data):
    """Raise only the documented error; else a vocabulary selects equal vectors."""
    path = tmp_path_factory.getbasetemp() / "corrupted"
    path.write_bytes(corrupt(data.draw(st.sampled_from(originals)), data))
    format = data.draw(st.sampled_from([None, None, *FORMATS]))
    limit = data.draw(st.sampled_from([None, None, 1, 3]))
    whole = load_or_refuse(path, format=format, limit=limit)
    vocabulary = ["unknown", *(whole.words[::2] if whole else ["the", "x"])]
    some = load_or_refuse(path, format=format, limit=limit, vocabulary=vocabulary)
    if whole is not None:
        assert some is not None
        for word in some.words:
            np.testing.assert_array_equal(some[word], whole[word])
        assert [word for word in some.words if word in whole.index] == list(
            whole.words[::2]
        )


def test_the_originals_load(originals, write):
    """Check that only the corruption causes the errors of the test above."""
    for content in originals:
        assert len(vectors.load(write(content))) in (2, 3, 4)
