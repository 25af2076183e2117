"""Docstrings: public names have one, and public functions have an example in it."""

import importlib
import inspect

import pytest

ROOMS = (
    *("text", "vectors", "nn", "optim", "train"),
    *("replicates", "stats", "geometry", "plot", "model", "cli"),
)


def public_names():
    for room in ROOMS:
        module = importlib.import_module(f"jaxembed.{room}")
        for name, value in vars(module).items():
            of_ours = getattr(value, "__module__", "").startswith("jaxembed")
            if of_ours and not name.startswith("_"):
                yield pytest.param(value, id=f"{room}.{name}")


@pytest.mark.parametrize("value", list(public_names()))
def test_it_is_described_and_shown(value):
    docstring = inspect.getdoc(value) or ""
    assert docstring, "no docstring"
    if inspect.isfunction(value):
        assert "Example:" in docstring
        assert ">>>" in docstring


def test_all_rooms_were_looked_at():
    assert len(list(public_names())) > 40
