"""Available peers: missing, broken and installed libraries."""

import importlib
import sys

import pytest

from benchmarks.harness.lines import Lines
from benchmarks.peers import available


@pytest.fixture
def make_module(tmp_path, monkeypatch):
    """Return a function that writes a module to the first folder of the path."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name, code):
        monkeypatch.setitem(sys.modules, name, None)  # so that monkeypatch restores it
        monkeypatch.delitem(sys.modules, name)
        (tmp_path / f"{name}.py").write_text(code)
        importlib.invalidate_caches()

    return make


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        (
            "raise OSError('libfake.so: undefined\\n symbol')",
            "fake.so: undefined symbol",
        ),
        ("raise ValueError('numpy.dtype size changed')", "dtype size changed"),
        ("raise SystemError('not initialised')", "SystemError: not initialised"),
        ("fake_peer = (", "SyntaxError: '(' was never closed"),
    ],
)
def test_a_peer_that_cannot_be_imported_has_a_line(
    make_module, read_lines, code, words
):
    make_module("fake_peer", code)
    assert available.find_peers(["fake_peer", "numpy"], "lookup", Lines()) == ["numpy"]
    (line,) = read_lines()
    assert (line["what"], line["implementation"]) == ("lookup", "fake_peer")
    assert line["left_out"].startswith("fake_peer cannot be imported: ")
    assert words in line["left_out"]


def test_long_errors_are_cut(make_module):
    make_module("fake_peer", "raise ImportError('word ' * 1000)")
    reason = available.find_reason("fake_peer") or ""
    assert len(reason) < 350 and reason.endswith("word [...]")


def test_a_missing_peer_is_named_with_a_remedy():
    reason = available.find_reason("no_such_peer")
    assert reason == "no_such_peer is missing: pip install '.[bench]'"


@pytest.mark.parametrize("name", ["flax", "numpy"])
def test_an_installed_peer_is_available(name):
    assert available.find_reason(name) is None


def test_torch_without_the_gpu_is_left_out(make_module, monkeypatch):
    monkeypatch.setattr(available.jax, "default_backend", lambda: "gpu")
    make_module("torch", "class cuda:\n    is_available = staticmethod(bool)\n")
    assert "torch has no GPU here" in (available.find_reason("torch") or "")
