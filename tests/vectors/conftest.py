"""Small files of every format, and a reader of them by gensim."""

import os
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from jaxembed import vectors


@pytest.fixture
def small():
    """Return seven words with five numbers each, of many digits and magnitudes."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(7, 5)) * 10.0 ** rng.integers(-6, 6, (7, 5))
    words = ["the", '"', "nan", "null", "naïve", "nb\xa0sp", "next\x85line"]
    return vectors.WordVectors(words, matrix.astype(np.float32))


@pytest.fixture
def write(tmp_path):
    """Return a function that writes text or bytes to a file and returns its path."""

    def write(content, name="vectors"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def formats():
    """Return the folder of files written by other tools, for ``real_archive`` tests."""
    return Path(os.environ["JAXEMBED_DATA"], "formats")


def read_by_gensim(path, **flags):
    """Read a file by gensim, which leaves a file without a header open for a while."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        return KeyedVectors.load_word2vec_format(path, **flags)


def text_of(word_vectors, header=False):
    lines = [f"{len(word_vectors)} {word_vectors.dim}"] if header else []
    for word, row in zip(word_vectors.words, word_vectors.matrix, strict=True):
        lines.append(" ".join([word, *map(str, row)]))
    return "\n".join(lines) + "\n"


def fasttext_bin(
    words=("the", "film", "</s>"),
    dim=4,
    buckets=10,
    min_n=3,
    max_n=6,
    labels=(),
    quantised=False,
    version=12,
    model=2,
    scale=1.0,
):
    """Return the bytes of a random model in fastText's format."""
    numbers = np.random.default_rng(0).normal(size=(len(words) + buckets, dim))
    numbers = np.clip(scale * numbers, -scale, scale) if scale > 1 else numbers
    arguments = (dim, 5, 5, 1, 5, 1, 2, model, buckets, min_n, max_n, 100, 1e-4)
    size = len(words) + len(labels)
    flag = struct.pack("<?", quantised)
    parts = [
        struct.pack("<2i", 793712314, version),
        struct.pack("<12id", *arguments),
        struct.pack("<3iq", size, len(words), len(labels), 1000),
        struct.pack("<q", -1),
    ]
    if not version:  # the first layout
        parts, flag = parts[1:3], b""
    for kind, entries in enumerate((words, labels)):
        for word in entries:
            word = word if isinstance(word, bytes) else word.encode()
            parts.append(word + b"\0" + struct.pack("<qb", 3, kind))
    parts += [flag, struct.pack("<2q", *numbers.shape)]
    parts.append(numbers.astype("<f4").tobytes())
    # gensim checks the output matrix; jaxembed does not read it.
    output = np.zeros((len(words), dim), "<f4")
    parts += [flag and struct.pack("<?", False), struct.pack("<2q", *output.shape)]
    return b"".join([*parts, output.tobytes()])
