"""Benchmarks: one file for each question about speed, ``python -m benchmarks.NAME``."""

import os

os.environ["KERAS_BACKEND"] = "jax"  # before keras is imported, as a peer
