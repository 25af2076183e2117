"""gensim: load vectors, and make its ``KeyedVectors``."""

from pathlib import Path
from typing import Any

from jaxembed import vectors


def load_file(path: Path) -> Any:
    """Load all vectors of a text file without a header line."""
    from gensim.models import KeyedVectors

    return KeyedVectors.load_word2vec_format(str(path), no_header=True)


def make_vectors(words: vectors.WordVectors) -> Any:
    """Return the same vectors as gensim's ``KeyedVectors``."""
    from gensim.models import KeyedVectors

    theirs = KeyedVectors(words.dim)
    theirs.add_vectors(list(words.words), words.matrix)
    theirs.fill_norms()
    return theirs
