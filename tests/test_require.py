"""require: import an optional module, or raise an error with the install command."""

import math
import sys

import pytest

from jaxembed._checks import require


def test_an_installed_module_is_returned():
    assert require("math", "plot") is math


def test_a_missing_module_names_its_caller_and_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    def draw_words():
        require("matplotlib", "plot")

    with pytest.raises(ImportError) as caught:
        draw_words()
    text = str(caught.value)
    assert "draw_words needs the module matplotlib" in text
    assert text.endswith("pip install '.[plot]'")
    assert caught.value.name == "matplotlib"


def test_a_missing_dependency_of_the_module_is_named(monkeypatch, tmp_path):
    (tmp_path / "needs_another.py").write_text("import importlib_resources\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "importlib_resources", None)
    with pytest.raises(ImportError, match=r"module importlib_resources.*\[tfds\]'$"):
        require("needs_another", "tfds")


def test_another_import_error_is_not_hidden(monkeypatch, tmp_path):
    (tmp_path / "broken_package.py").write_text("from math import no_such_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="cannot import name 'no_such_name'"):
        require("broken_package", "tfds")
