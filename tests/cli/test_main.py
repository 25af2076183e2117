"""Command line: help, and one line with status 2 for each mistake of a user."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from jaxembed import __version__
from jaxembed.cli import _main
from jaxembed.model import _settings


def test_help_shows_examples(run):
    for arguments in ([], ["--help"], ["-h"], ["help"]):
        status, out, _ = run(*arguments)
        assert status == 0 and 'jaxembed predict model "A joy' in out
        assert all(f"\n    {name} " in out for name in _main.COMMANDS)
    assert run("--version")[1] == f"{__version__}\n"


ARGUMENTS = {
    "train": " DATA",
    "evaluate": " MODEL DATA",
    "predict": " MODEL [TEXT ...]",
    "neighbours": " VECTORS WORD [WORD ...]",
    "analogy": " VECTORS A B C",
    "convert": " SOURCE OUT",
    "info": " PATH",
}


@pytest.mark.parametrize("name", _main.COMMANDS)
def test_help_of_a_command_begins_with_examples(run, name):
    status, out, err = run(name, "--help")
    assert status == 0 and err == ""
    first, _, rest = out.partition("\n\n")
    assert first.endswith(".") and rest.startswith(f"    jaxembed {name} ")
    assert f"usage: jaxembed {name}" in out and "Attributes" not in out
    usage = out.partition("usage: ")[2].partition("positional arguments")[0]
    assert ARGUMENTS[name] in " ".join(usage.split()) and "{None}" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "unknown command 'trian': did you mean train?"),
        (["zzz"], "unknown command 'zzz': one of train, evaluate"),
        (["train"], "^error: Missing from jaxembed train: DATA Table"),
        (["train", ""], "data must be a table, a folder or a source, got ''"),
        (
            ["train", "a.csv", "--format", "xml"],
            "Expected one of csv, fasttext, jsonl, parquet, tsv \\(jaxembed train --h",
        ),
        (["convert", "a", "b.xyz"], "a does not exist"),
        (
            ["convert", "a", "b.vec", "--source-format", "x"],
            "invalid choice 'x' .*, glove, safe",
        ),
        (["train", "a.csv", "--epochs", "many"], "Error parsing --epochs: .*'many'"),
        (["train", "a.csv", "--epoch", "3"], "Unrecognized options: --epoch"),
        (["train", "a.csv"], "a.csv does not exist"),
        (
            ["predict", "nowhere", "a"],
            "nowhere does not contain a TextModel: .* Give the folder of --out of jax",
        ),
        (["predict", "m", "a", "--file", "b"], "give texts or --file, not both"),
        (
            ["predict", "m", "--batch-size", "0"],
            "--batch-size must be at least 1, got 0",
        ),
        (["neighbours", "nowhere.txt", "good"], "nowhere.txt"),
        (["info", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_a_mistake_is_one_line(run, arguments, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(*arguments)
    assert status == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1
    assert re.search(message, err), err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty: it has no byte"),
        ("stars,review\n", "has no rows"),
        ("id,review\n1,a\n", "no column 'stars'. Its columns are 'id', 'review'"),
        ("stars,review\n1,a\n1,b\n", "two or more classes, got [1]"),
        (
            b"stars,review\n1,na\xefve\n",
            "byte 17 is not utf-8. Give the encoding of the file, such as --enc",
        ),
        ('stars,review\n1,"a\n', "If quotes are part of the texts, give --no-quotes."),
        ("stars,review\n1,a,b\n", "line 2: the row has 3 cells"),
        (
            "stars;review\n1;a\n",
            "Its columns are 'stars;review': give --delimiter ';'.",
        ),
        ("stars,text\n1,a\n", "'stars', 'text': give one of them as --text."),
        ("a,review\n1,a\n", "'a', 'review': give one of them as --label."),
    ],
)
def test_a_bad_table_is_one_line(run, tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    arguments = ["--text", "review", "--label", "stars", "--out", tmp_path / "model"]
    status, out, err = run("train", path, *arguments, "--test-share", "0")
    assert status == 2 and message in err and err.count("\n") == 1
    assert not (tmp_path / "model").exists()


def test_a_class_with_no_texts_is_one_line(run, tmp_path):
    for name in ("pos/1.txt", "neg/1.md"):
        (tmp_path / "a" / name).parent.mkdir(parents=True)
        (tmp_path / "a" / name).write_text("A joy.")
    status, _, err = run("train", tmp_path / "a", "--out", tmp_path / "model")
    assert status == 2 and "the class 'neg' has no texts *.txt" in err
    assert err.endswith("such as 1.md: give --suffix.\n")
    (tmp_path / "a" / "pos" / "1.txt").rename(tmp_path / "a" / "pos" / "1.md")
    flags = ["--suffix", ".md", "--epochs", "1", "--test-share", "0"]
    assert run("train", tmp_path / "a", "--out", tmp_path / "model", *flags)[0] == 0


def test_a_model_of_another_version_is_one_line(run, folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "model")
    path = other / "settings.json"
    settings = json.loads(path.read_text()) | {"version": 3}
    settings["sha256"] = _settings.hash_settings(settings)
    path.write_text(json.dumps(settings))
    for arguments in (["predict", other, "a"], ["info", other]):
        status, out, err = run(*arguments)
        assert (status, out) == (2, "") and err.count("\n") == 1
        assert "has a TextModel of version 3, and this jaxembed reads" in err


def test_the_traceback_is_shown_if_wanted(run, monkeypatch):
    monkeypatch.setenv("JAXEMBED_TRACEBACK", "1")
    with pytest.raises(FileNotFoundError):
        run("train", "nowhere.csv")


def test_without_tyro_the_command_to_install_it_is_named(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "tyro", None)
    status, out, err = run("train", "a.csv")
    assert status == 2 and err.count("\n") == 1
    assert "needs the module tyro" in err and "pip install '.[cli]'" in err
    assert run("--help")[0] == 0


def test_a_reader_that_ends_early_gets_no_traceback(folder):
    command = [sys.executable, "-m", "jaxembed", "predict", folder]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    _, err = process.communicate(b"a good film\n" * 5000)
    assert process.returncode == 1 and err == b""


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        (["--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["--test-share", "1"], "--test-share must be from 0 to below 1, got 1.0"),
        (["--label-separator", ""], "--label-separator must have a character"),
        (["--text"], "--text must name one column or more, got none"),
        (["--freeze"], "--freeze needs --vectors."),
        (["--format", "csv", "--encoding", "x"], "--encoding must be an encoding of"),
    ],
)
def test_an_error_names_the_flag(run, table, flags, message, tmp_path):
    columns = ["--text", "review", "--label", "stars", "--out", tmp_path / "model"]
    status, _, err = run("train", table, *columns, *flags)
    assert status == 2 and err.count("\n") == 1 and err.startswith(f"error: {message}")


@pytest.mark.parametrize(
    "box",
    [
        "╭─ Bad ──╮\n│ one of ('b', │\n│ 'None', 'a'). │\n│ ───── │\n│ help │\n╰──╯\n",
        " Bad  \n ----- \n  one of ('b', \n  'None', 'a').\n  ----\n  help \n  \n",
    ],
)
def test_a_box_of_tyro_becomes_a_line_without_title(box):
    assert _main._shorten(box) == "one of a, b"


def test_words_are_printed_in_a_locale_of_ascii(folder):
    command = [sys.executable, "-m", "jaxembed", "predict", folder, "--echo"]
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    form = {"env": os.environ | locale, "capture_output": True}
    found = subprocess.run(command, input="caf\u00e9".encode(), **form)
    assert found.returncode == 0
    assert json.loads(found.stdout.decode("utf-8"))["text"] == "caf\u00e9"


def test_a_closed_standard_input_is_one_line(run, folder, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    status, _, err = run("predict", folder)
    assert status == 2
    assert err == "error: the standard input is closed: give texts or --file.\n"
