"""Word vectors: from files, or from texts, to a table. No JAX."""

from jaxembed.vectors.subwords import Subwords as Subwords
from jaxembed.vectors.word_vectors import WordVectors as WordVectors
