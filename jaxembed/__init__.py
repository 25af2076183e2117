"""Word embeddings in JAX and Flax: from raw text to a trained, tested model.

Import the subpackages that you need: ``from jaxembed import nn, text, train``. A
subpackage or :class:`TextModel` is imported when it is first used, so ``import
jaxembed`` alone is fast.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

_ROOMS = {"cli", "dist", "geometry", "model", "nn", "optim", "plot", "replicates"}
_ROOMS |= {"stats", "text", "train", "vectors"}

if TYPE_CHECKING:
    from jaxembed import cli as cli
    from jaxembed import dist as dist
    from jaxembed import geometry as geometry
    from jaxembed import model as model
    from jaxembed import nn as nn
    from jaxembed import optim as optim
    from jaxembed import plot as plot
    from jaxembed import replicates as replicates
    from jaxembed import stats as stats
    from jaxembed import text as text
    from jaxembed import train as train
    from jaxembed import vectors as vectors
    from jaxembed.model import TextModel as TextModel
else:  # a type checker that saw this function would allow any name

    def __getattr__(name):
        """Import a room, or TextModel."""
        import importlib

        if name == "TextModel":
            return importlib.import_module("jaxembed.model").TextModel
        if name in _ROOMS:
            return importlib.import_module(f"jaxembed.{name}")
        raise AttributeError(f"module 'jaxembed' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS, "TextModel"])
