"""Plots: PNG pictures of histories, replicates, learning curves and words.

Needs Matplotlib: ``pip install '.[plot]'`` in a clone of jaxembed.
"""

from jaxembed.plot._accuracy_seconds import accuracy_seconds as accuracy_seconds
from jaxembed.plot._curves import curves as curves
from jaxembed.plot._learning_curve import learning_curve as learning_curve
from jaxembed.plot._replicates import replicates as replicates
from jaxembed.plot._words import words as words
