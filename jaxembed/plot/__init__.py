"""Plots: a history, replicates, sizes of the data, and words, as pictures."""

from jaxembed.plot._curves import curves as curves
from jaxembed.plot._learning_curve import learning_curve as learning_curve
from jaxembed.plot._replicates import replicates as replicates
from jaxembed.plot._words import words as words
