"""Plots: a history, replicates, sizes of the data, and words, as pictures."""

from jaxembed.plot.curves import curves as curves
from jaxembed.plot.learning_curve import learning_curve as learning_curve
from jaxembed.plot.replicates import replicates as replicates
from jaxembed.plot.words import words as words
