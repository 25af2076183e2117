"""Benchmarks: one file for each question about speed, ``python -m benchmarks.NAME``."""

import os

# Before keras, torch and JAX's devices are there.
os.environ["KERAS_BACKEND"] = "jax"
# Threads that wait in a loop take the cores from JAX's; where the machine has other
# work they make torch itself 20 times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Else JAX takes three quarters of a GPU, and leaves torch the rest.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
