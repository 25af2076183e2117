"""Word embeddings in JAX and Flax: from raw text to a trained, tested model.

Import the subpackages that you need: ``from jaxembed import nn, text, train``.
"""

__version__ = "0.1.0"
