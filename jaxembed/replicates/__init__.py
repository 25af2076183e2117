"""Replicates: many training runs in one compiled program."""

from jaxembed.replicates._draw import draw_examples as draw_examples
from jaxembed.replicates._histories import Histories as Histories
from jaxembed.replicates._run import run as run
