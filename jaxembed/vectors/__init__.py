"""Word vectors: from files, or from texts, to a table. No JAX."""

from jaxembed.vectors.load import FORMATS as FORMATS
from jaxembed.vectors.load import load as load
from jaxembed.vectors.matrix import Coverage as Coverage
from jaxembed.vectors.matrix import embedding_matrix as embedding_matrix
from jaxembed.vectors.ppmi import ppmi as ppmi
from jaxembed.vectors.save import save as save
from jaxembed.vectors.subwords import Subwords as Subwords
from jaxembed.vectors.word_vectors import WordVectors as WordVectors
