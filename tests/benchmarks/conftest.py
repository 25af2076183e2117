"""Fixtures of the benchmarks' tests: a small copy, and the lines that were printed."""

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
    """Reads the JSON lines that were printed since the last call."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
