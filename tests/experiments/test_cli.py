"""Command line: a flag for each field, help in lines, errors with their remedy."""

import dataclasses
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

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
            ("--learning-rate", "-1", "--no-row-sparse"),
            "error: learning_rate must be from 0 to below inf, got -1.0",
        ),
        (("--num-words", "0"), "error: --num-words must be at least 1, got 0"),
        (("--length", "0"), "error: --length must be at least 1, got 0"),
        (("--batch-size", "0"), "error: --batch-size must be at least 1, got 0"),
        (("--validation-fraction", "1"), "error: --validation-fraction must leave"),
        (("--epochs", "0"), "error: --epochs must be at least 1, got 0"),
        (("--out", "file/x"), "error: --out file/x cannot be written: Not a directory"),
    ],
    ids=str,
)
def test_bad_input_ends_with_one_line(run_main, reviews, tmp_path, flags, message):
    (tmp_path / "file").write_text("mine")
    if "--data" not in flags:
        flags = ("--data", reviews, *flags)
    with pytest.raises(SystemExit, match=message) as end:
        run_main(imdb_learned, *flags)
    assert str(end.value).endswith("\n(set JAXEMBED_TRACEBACK=1 for the traceback)")
    assert (tmp_path / "file").read_text() == "mine"
    left = [path.name for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert not {"metrics.json", "curves.png"} & set(left)


def test_the_traceback_is_shown_on_request(run_main, monkeypatch):
    monkeypatch.setenv("JAXEMBED_TRACEBACK", "1")
    with pytest.raises(FileNotFoundError):
        run_main(imdb_learned, "--data", "none")


def flatten(config_type):
    """Yield each field of a dataclass and of its nested dataclasses, with its class."""
    for field in dataclasses.fields(config_type):
        if dataclasses.is_dataclass(field.type):
            yield from flatten(field.type)
        else:
            yield config_type, field.name


@pytest.mark.parametrize("columns", [80, 120, 200])
@pytest.mark.parametrize("name", NAMES)
def test_help_has_each_field_as_a_flag_and_the_rows_of_the_docstring(
    run_main, capsys, monkeypatch, name, columns
):
    monkeypatch.setenv("COLUMNS", str(columns))
    module = importlib.import_module(f"experiments.{name}")
    with pytest.raises(SystemExit) as end:
        run_main(module, "--help")
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(module.__doc__.splitlines()[0] + "\n\nNotebook:  ")
    assert max(map(len, shown.splitlines())) <= columns
    assert f"\n\nusage: python -m experiments.{name} [-h]" in shown
    names = [field for _, field in flatten(module.Config)]
    assert len(names) == len(set(names))
    for field in names:
        assert re.search(rf"--{field.replace('_', '-')}[ ,]", shown), field
    for row in (
        f"Run:       python -m experiments.{name} ",
        "Expect:    ",
        "Writes:    ",
    ):
        assert f"\n{row}" in shown
    # Each flag shows a default that can be read.
    assert len(re.findall(r"\(default:", shown)) == len(names)
    assert not re.search(r"default:[\s│|]*(''|None|)\)|\{None\}", shown)


def test_a_long_command_in_the_help_can_be_copied(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    doc = """Title.

    Run:       python -m a --data reviews.gz
               --vectors b.txt
               python -m a --dry
    Writes:    some
               files

    A paragraph.
    """
    doc = "\n".join(line.removeprefix("    ") for line in doc.splitlines())
    assert _cli.format_docstring(doc).splitlines() == [
        "Title.",
        "",
        "Run:       python -m a \\",
        "           --data reviews.gz \\",
        "           --vectors b.txt",
        "           python -m a --dry",
        "Writes:    some files",
        "",
        "A paragraph.",
    ]


@pytest.mark.parametrize(
    ("package", "extra"), [("tyro", "cli"), ("matplotlib", "plot")]
)
def test_a_missing_package_ends_with_the_command_that_installs_it(
    run_main, monkeypatch, package, extra
):
    if package == "tyro":
        monkeypatch.setattr(_cli, "tyro", None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit) as end:
        run_main(imdb_learned, "--data", "none")
    message = f"error: {package} is not installed: pip install '.[{extra}]'"
    assert end.value.code == message  # printed on stderr, with status 1


def test_an_experiment_can_be_imported_without_tyro():
    code = (
        "import sys; sys.modules['tyro'] = None; import experiments.learning_curve as x"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; x._cli.main(x.Config, x.run)"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and not done.stdout
    assert done.stderr == "error: tyro is not installed: pip install '.[cli]'\n"


def test_an_error_that_names_a_missing_extra_is_one_line(monkeypatch, run_main):
    def load(*_, **__):
        raise ImportError("tfds is not installed: pip install '.[tfds]'")

    monkeypatch.setattr("jaxembed.text.load_imdb_tokens", load)
    with pytest.raises(SystemExit) as end:
        run_main(imdb_learned, "--data", "tfds")
    assert end.value.code == "error: tfds is not installed: pip install '.[tfds]'"


@pytest.mark.parametrize("name", NAMES)
def test_each_flag_has_a_text_that_tyro_wraps_as_one_paragraph(name):
    """Check that all lines begin with a letter: Tyro breaks the text before others."""
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


def test_experiments_inherit_the_common_flags_only():
    for name in NAMES:
        config_type = importlib.import_module(f"experiments.{name}").Config
        *experiments, options, _ = config_type.__mro__[1:]
        assert options is _cli.Options
        assert all(parent.__name__ == "Config" for parent in experiments)


@pytest.mark.parametrize("flags", [[], ["--help"], ["-h"]])
def test_the_list_of_experiments(capsys, flags):
    listing.main(flags)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) == len(NAMES) + 2 and "few_reviews" in NAMES
    for name, line in zip(NAMES, lines[2:], strict=True):
        module = importlib.import_module(f"experiments.{name}")
        assert line.split() == [name, *module.__doc__.splitlines()[0].split()]


def test_the_list_refuses_a_name_and_says_how_to_run_it(capsys):
    with pytest.raises(SystemExit) as end:
        listing.main(["few_reviews"])
    assert end.value.code == 2
    assert "usage: python -m experiments.NAME" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--help"], ["--data", "none"]])
def test_a_reader_that_ends_early_causes_no_traceback(flags):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "experiments.imdb_learned", *flags],
        cwd=Path(__file__).parents[2],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
