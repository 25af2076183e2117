"""Experiments: one module for each question, run as ``python -m experiments.NAME``.

``python -m experiments`` lists them.
"""

import sys

if sys.argv[:1] == ["-m"]:  # as a command; here, since a module imports JAX at once
    from experiments import _process

    _process.start()
