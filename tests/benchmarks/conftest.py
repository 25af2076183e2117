"""Fixtures of the benchmarks' tests: a small copy, and the printed lines."""

import json

import jax
import pytest

from benchmarks.harness import machine


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(machine, "COPY_FLOATS", 2**10)
    with jax.numpy_rank_promotion("allow"):  # Keras's Dense needs it
        yield


@pytest.fixture
def read_lines(capsys):
    """Return a function that reads the JSON lines printed since its last call."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
