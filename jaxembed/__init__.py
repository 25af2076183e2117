"""Word embeddings in JAX, from raw text to a tested result.

Import the room that you need: ``from jaxembed import nn, text, train``.
"""

__version__ = "0.1.0"
