"""Word vectors: load, compute and save them, and build embedding tables. No JAX."""

from jaxembed.vectors._load import load as load
from jaxembed.vectors._ppmi import ppmi as ppmi
from jaxembed.vectors._save import save as save
from jaxembed.vectors._table import embedding_matrix as embedding_matrix
from jaxembed.vectors._word_vectors import WordVectors as WordVectors
