"""Benchmarks: one file for each question about speed, ``python -m benchmarks.NAME``."""

import os

# Must be set before Keras is imported.
os.environ["KERAS_BACKEND"] = "jax"
# Threads that wait in a busy loop take the cores from JAX; on a loaded machine they
# make torch itself 20 times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# By default JAX takes three quarters of a GPU and leaves torch the rest.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
