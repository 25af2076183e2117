"""Files of word vectors under random damage: right, refused, or equally read twice."""

import bz2
import gzip
import io
import lzma
import zipfile

import numpy as np
import pytest

from jaxembed import vectors
from tests.fuzz._mutations import mutate
from tests.vectors.conftest import fasttext_bin

WORDS = ["the", "good", "film", "café", "x", "a", "1999", "naïve", "so", "."]
ERRORS = (ValueError, OSError, TypeError)


def zip_of(data):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("member", data)
    return stream.getvalue()


COMPRESS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zip": zip_of,
}
SAVED = {
    "glove": "a.txt",
    "word2vec": "a.vec",
    "word2vec-binary": "a.bin",
    "safetensors": "a.safetensors",
}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Return the bytes of a file of each format."""
    folder = tmp_path_factory.mktemp("originals")
    rng = np.random.default_rng(0)
    made = vectors.WordVectors(WORDS, rng.normal(size=(10, 6)).astype(np.float32))
    contents = {
        name: vectors.save(made, folder / file).read_bytes()
        for name, file in SAVED.items()
    }
    contents["fasttext-vec"] = contents["word2vec"].replace(b"\n", b" \n")
    contents["fasttext-bin"] = fasttext_bin([*WORDS, "</s>"])
    contents["fasttext-first"] = fasttext_bin([*WORDS, "</s>"], version=0)
    contents["with-mark"] = b"\xef\xbb\xbf" + contents["glove"].replace(b"\n", b"\r\n")
    return contents


def load(path, rounds, vocabulary=None):
    """Return the word vectors; None if they are refused."""
    with rounds.refusals(*ERRORS):
        loaded = vectors.load(path, vocabulary=vocabulary)
        assert loaded.matrix.shape == (len(loaded.words), loaded.dim)
        assert np.isfinite(loaded.matrix).all()
        return loaded
    return None


PLAIN = (*SAVED, "fasttext-vec", "fasttext-bin", "fasttext-first", "with-mark")


@pytest.mark.parametrize("format", PLAIN)
def test_a_damaged_file_is_read_or_refused(format, rounds, originals, tmp_path):
    """Check that a vocabulary, which takes other code, finds the same vectors."""
    path = tmp_path / "damaged"
    for rng in rounds(seed=PLAIN.index(format)):
        damaged = mutate(originals[format], rng)
        # Compressed, the size of the content is unknown, which takes other code.
        path.write_bytes(gzip.compress(damaged, 1) if rng.random() < 0.3 else damaged)
        whole = load(path, rounds)
        if whole is not None and rng.random() < 0.5:
            some = vectors.load(path, vocabulary=whole.words[::2])
            for word in whole.words[::2]:
                np.testing.assert_array_equal(some[word], whole[word])
        elif whole is None:
            load(path, rounds, vocabulary=["the", "film", "unknown"])


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("format", ["glove", "word2vec-binary", "safetensors"])
def test_no_damage_is_read_where_there_is_a_checksum(
    format, suffix, rounds, originals, tmp_path
):
    path, original = tmp_path / "damaged", tmp_path / "original"
    original.write_bytes(originals[format])
    right = vectors.load(original)
    data = COMPRESS[suffix](originals[format])
    for rng in rounds(seed=10 + len(format) + ord(suffix[0])):
        path.write_bytes(mutate(data, rng))
        loaded = load(path, rounds)
        if loaded is not None:
            assert loaded.words == right.words
            np.testing.assert_array_equal(loaded.matrix, right.matrix)
