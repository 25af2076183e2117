"""The command line: one flag for each field, and errors that say what to do."""

import dataclasses
import importlib
import re

import pytest

from experiments import __main__ as listing
from experiments import _cli, imdb_learned

NAMES = list(listing.list_experiments())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--data", "none"), "error: none does not exist: give the path of aclImdb/"),
        (("--batch-size", "99999"), "error: batch_size must be from 1 to the number"),
        (
            ("--learning-rate", "nan"),
            "error: learning_rate must be from 0 to below inf",
        ),
        (
            ("--learning-rate", "1e38"),
            "error: the loss is nan in epoch 1, and the weights",
        ),
        (
            ("--learning-rate", "nan", "--no-row-sparse"),
            "error: the loss is nan in epoch 1, and the weights",
        ),
        (("--num-words", "0"), "error: num_embeddings must be at least 1, got 0"),
        (("--length", "0"), r"error: features must have the axes \[B, L, D\] or .*, L"),
        (("--validation-fraction", "1"), "error: --validation-fraction must leave"),
        (("--epochs", "0"), "error: the history is empty: train for at least one"),
        (("--out", "file/x"), "error: --out file/x cannot be written: Not a directory"),
    ],
    ids=str,
)
def test_bad_input_ends_with_one_line(run_main, reviews, tmp_path, flags, message):
    (tmp_path / "file").write_text("mine")
    if "--data" not in flags:
        flags = ("--data", reviews, *flags)
    with pytest.raises(SystemExit, match=message):
        run_main(imdb_learned, *flags)
    assert (tmp_path / "file").read_text() == "mine"
    left = [path.name for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert not {"metrics.json", "curves.png"} & set(left)


def test_the_traceback_is_shown_on_request(run_main, monkeypatch):
    monkeypatch.setenv("JAXEMBED_TRACEBACK", "1")
    with pytest.raises(FileNotFoundError):
        run_main(imdb_learned, "--data", "none")


def flatten(config_type):
    """Each field of a dataclass and of the dataclasses in it, with its class."""
    for field in dataclasses.fields(config_type):
        if dataclasses.is_dataclass(field.type):
            yield from flatten(field.type)
        else:
            yield config_type, field.name


@pytest.mark.parametrize("name", NAMES)
def test_help_has_each_field_as_a_flag_and_the_rows_of_the_docstring(
    run_main, capsys, monkeypatch, name
):
    monkeypatch.setenv("COLUMNS", "200")
    module = importlib.import_module(f"experiments.{name}")
    with pytest.raises(SystemExit):
        run_main(module, "--help")
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: python -m experiments.{name} [-h]")
    names = [field for _, field in flatten(module.Config)]
    assert len(names) == len(set(names))
    for field in names:
        assert re.search(rf"--{field.replace('_', '-')}[ ,]", shown), field
    for row in ("Notebook:  ", f"Run:       python -m experiments.{name}"):
        assert f"\n  {row}" in shown
    assert "\n  Expect: " in shown and "\n  Writes: " in shown


@pytest.mark.parametrize("name", NAMES)
def test_each_flag_has_a_text_that_tyro_wraps_as_one_paragraph(name):
    """Tyro breaks the text before a line that does not begin with a letter."""
    module = importlib.import_module(f"experiments.{name}")
    for config_type, field in flatten(module.Config):
        texts = [base.__doc__ or "" for base in config_type.__mro__]
        text = next(text for text in texts if f"\n      {field}: " in text)
        lines = text.split(f"\n      {field}: ")[1].splitlines()
        assert lines[0][0].isupper()
        for line in lines[1:]:
            if not line.startswith(" " * 8):
                break
            assert line.strip()[0].isalpha(), line


def test_nothing_is_inherited_but_the_flags_of_all_experiments():
    for name in NAMES:
        config_type = importlib.import_module(f"experiments.{name}").Config
        assert config_type.__mro__[1:] == (_cli.Options, object)


def test_the_list_of_experiments(capsys):
    listing.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(NAMES) + 2 and "few_reviews" in NAMES
    for name, line in zip(NAMES, lines[2:], strict=True):
        module = importlib.import_module(f"experiments.{name}")
        assert line.split() == [name, *module.__doc__.splitlines()[0].split()]
