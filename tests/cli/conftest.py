"""A table of texts, a model that was trained on it, and a run of a command."""

import csv
import io
import sys

import pytest

from jaxembed import TextModel
from jaxembed.cli import main
from tests.model.conftest import draw_texts


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    """Write 120 reviews with stars to a CSV file."""
    path = tmp_path_factory.mktemp("cli") / "reviews.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["stars", "review"])
        for text, label in zip(*draw_texts(120), strict=True):
            rows.writerow([{"neg": 1, "pos": 5}[label], f"{text}, yes"])
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Write a model of the labels neg and pos."""
    path = tmp_path_factory.mktemp("cli") / "model"
    TextModel.fit(*draw_texts(120), epochs=10).save(path)
    return path


@pytest.fixture
def run(capsys, monkeypatch):
    """Return a function that runs a command, and returns status, output and errors."""

    def run(*arguments, stdin=None):
        if stdin is not None:
            stream = io.TextIOWrapper(io.BytesIO(stdin))
            monkeypatch.setattr(sys, "stdin", stream)
        status = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = end.code
        found = capsys.readouterr()
        return status, found.out, found.err

    return run
